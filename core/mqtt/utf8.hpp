// UTF-8 as MQTT wants it.
#pragma once

#include <string_view>

namespace kscpush::mqtt {

// Well-formed after RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
[[nodiscard]] bool is_utf8(std::string_view text);

// What may stand in a UTF-8 Encoded String: the same without U+0000. Control characters and
// noncharacters, which the specification advises against, are let through; U+FEFF is a character
// like any other.
[[nodiscard]] bool is_utf8_string(std::string_view text);

}  // namespace kscpush::mqtt
