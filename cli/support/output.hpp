// How data is printed: one object model (JSON), five formats.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "cli/context.hpp"

namespace kscpush::cli {

// Whether the output is for people (table, wide), where a command says in words what it did.
[[nodiscard]] bool prints_text(const Context& context);

// A column of a table: its heading and the JSON pointer of its value ("/connection/since").
struct Column {
  std::string heading;
  std::string pointer;
  bool wide_only = false;
};

// A list of objects that comes page by page and need not fit into memory: table, wide, json, yaml,
// or the value of NAME_POINTER a line. A table's columns are as wide as the widest cell so far.
class ListPrinter {
 public:
  ListPrinter(std::vector<Column> columns, std::string name_pointer, const Context& context);
  void add(const nlohmann::json& page);
  void finish();  // once, at the end

 private:
  void add_rows(const nlohmann::json& page);
  [[nodiscard]] std::vector<Column> shown_columns() const;

  const std::vector<Column> columns_;
  const std::string name_pointer_;
  const Context& context_;
  std::vector<std::size_t> widths_;
  bool begun_ = false;  // something has been printed
};

// The same at once: table, wide, json, yaml, or the value of NAME_POINTER a line.
void print_list(const nlohmann::json& list, const std::vector<Column>& columns,
                const std::string& name_pointer, const Context& context);

// One object; as a table, a line "heading: value" each.
void print_object(const nlohmann::json& object, const std::vector<Column>& fields,
                  const std::string& name_pointer, const Context& context);

}  // namespace kscpush::cli
