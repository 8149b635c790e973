// Another collection in the place of a collection, by changes of what differs.
#pragma once

#include <functional>
#include <optional>

#include "core/yaml/editor.hpp"

namespace kscpush::yaml {

// Sets the value at a path; counts down what remains of the edits that may still be made.
using SetFunction = std::function<Edited(const Document&, const Path&, const NewNode&, int&)>;

// The document after the entries or items at PATH that are new or changed have been set, and those
// that VALUE does not have are gone. Comments of the rest stay, which a new text would lose.
// Nothing when that does not lead to VALUE (the order of keys differs), is refused somewhere, or
// takes more edits than EDITS, as each one parses the text again.
[[nodiscard]] std::optional<Document> reconcile(const Document& document, const Path& path,
                                                const NewNode& value, const SetFunction& set,
                                                int& edits);

}  // namespace kscpush::yaml
