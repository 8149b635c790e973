// Builds the tree of a Document from yaml-cpp's events.
//
// yaml-cpp gives the first byte of each node; its end, and the place of a value that is not written
// at all, are found in the text by a cursor that follows the events (core/yaml/lexer.hpp).
#pragma once

#include <string_view>
#include <vector>

#include <yaml-cpp/eventhandler.h>

#include "core/yaml/document.hpp"

namespace kscpush::yaml {

// What is wrong with the document beyond yaml-cpp's own errors; thrown through yaml-cpp, which
// knows no other way out of its recursion, and caught in Document::parse.
struct TreeError {
  Mark mark;
  std::string what;
  std::string hint;
};

class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(std::string_view text);

  // After the last event.
  [[nodiscard]] Node take_root() { return std::move(root_); }
  [[nodiscard]] bool anchored() const { return anchored_; }  // any node at all
  // Grows with each node that is begun or ended.
  [[nodiscard]] std::size_t events() const { return events_; }
  // After an error: the innermost [ or { that is not closed yet, or nullptr.
  [[nodiscard]] const Node* open_flow() const;
  // The outermost one.
  [[nodiscard]] const Node* outer_flow() const;

  void OnDocumentStart(const YAML::Mark& mark) override;
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override;
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override;
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override;
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override;
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override;
  void OnMapEnd() override { close(); }
  void OnAnchor(const YAML::Mark& mark, const std::string& name) override;

 private:
  // A collection that is open.
  struct Frame {
    Node node;
    bool has_key = false;       // of a mapping: its last entry awaits its value
    bool explicit_key = false;  // it is behind a "? "
    bool compact = false;       // the one-entry mapping of [a: b], which has no braces
    YAML::anchor_t anchor = 0;
  };

  [[nodiscard]] std::size_t offset(const YAML::Mark& mark) const;
  [[nodiscard]] bool at_key() const;
  // Moves the cursor over the indicators (- ? : ,) before a child that begins at BEGIN.
  void enter(std::size_t begin);
  void enter_entry(std::size_t begin);
  [[nodiscard]] Node start(const YAML::Mark& mark, const std::string& tag);
  void open(Node node, YAML::anchor_t anchor);
  void attach(Node node);
  void close();
  [[nodiscard]] std::size_t properties_end(const Node& node) const;
  void read_content(Node& node);
  void leave_unwritten(Node& node);
  [[nodiscard]] bool is_next_key(std::size_t content, std::size_t end) const;
  [[nodiscard]] bool null_is_written(std::size_t content, std::size_t word_end) const;
  [[nodiscard]] Mark mark_at(std::size_t at);

  std::string_view text_;
  std::size_t bom_;
  std::size_t cursor_ = 0;
  std::vector<Frame> frames_;
  Node root_;
  bool started_ = false;
  std::size_t events_ = 0;
  bool anchored_ = false;
  std::string pending_anchor_;
  bool tagged_ = false;             // the node that is being read has a tag, perhaps only "!"
  std::vector<bool> open_anchors_;  // by yaml-cpp's number: the anchored node is not complete yet
  // mark_at() counts on from here; the cursor only moves forward.
  std::size_t counted_ = 0;
  std::size_t line_begin_ = 0;
  int line_ = 1;
};

}  // namespace kscpush::yaml
