// Random edits, and what a model of the file says of them.
#pragma once

#include <string>

#include "tests/property/yaml_generator.hpp"

namespace kscpush::yaml {

enum class Op { kSet, kRemove, kTag };

struct Edit {
  Op op = Op::kSet;
  Path path;
  NewNode value;         // of kSet; of kTag its tag
  std::size_t keep = 0;  // of kRemove
};

[[nodiscard]] Edit random_edit(Random& random, const Model& root);
[[nodiscard]] std::string to_text(const Edit& edit);
[[nodiscard]] Result<std::string> apply_to(const Document& document, const Edit& edit);

enum class Verdict {
  kAllowed,
  kRefused,    // must be refused
  kEither,     // depends on how it is done: an anchor inside of the old value is needed elsewhere
  kUnchanged,  // allowed, and not a byte may change
};

// Changes the model as the edit should, if it is allowed.
[[nodiscard]] Verdict expect(Model& root, const Edit& edit);

// The first difference between the document and its model, as text. Where the model has been SET,
// aliases that read the same may have stayed.
[[nodiscard]] std::string difference(const Document& document, const Model& model,
                                     const Node& written, bool loose = false);

}  // namespace kscpush::yaml
