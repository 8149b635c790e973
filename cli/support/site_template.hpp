// The commented configuration that `kscpush init` writes.
#pragma once

#include <string>
#include <string_view>

namespace kscpush::cli {

[[nodiscard]] std::string site_template(std::string_view dp_name, std::string_view dp_address);

}  // namespace kscpush::cli
