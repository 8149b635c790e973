#include "cli/support/output.hpp"

#include <algorithm>
#include <ostream>

#include <fmt/ostream.h>
#include <yaml-cpp/yaml.h>

namespace kscpush::cli {
namespace {

using nlohmann::json;

const json* value_at(const json& object, const std::string& pointer) {
  const json::json_pointer at(pointer);
  // contains() is false, not an exception, when a parent is null.
  return object.contains(at) ? &object.at(at) : nullptr;
}

// A cell: yes and no for booleans, "-" for nothing. Control characters of data that came from
// devices must not reach a terminal.
std::string cell(const json* value) {
  if (value == nullptr || value->is_null()) return "-";
  if (value->is_boolean()) return value->get<bool>() ? "yes" : "no";
  std::string text = value->is_string() ? value->get<std::string>() : value->dump();
  std::ranges::replace_if(
      text, [](unsigned char c) { return c < 0x20 || c == 0x7F; }, '?');
  return text.empty() ? "-" : text;
}

void emit(YAML::Emitter& emitter, const json& value) {
  if (value.is_object()) {
    emitter << YAML::BeginMap;
    for (const auto& [key, member] : value.items()) {
      emitter << YAML::Key << key << YAML::Value;
      emit(emitter, member);
    }
    emitter << YAML::EndMap;
  } else if (value.is_array()) {
    emitter << YAML::BeginSeq;
    for (const json& item : value) emit(emitter, item);
    emitter << YAML::EndSeq;
  } else if (value.is_null()) {
    emitter << YAML::Null;
  } else if (value.is_boolean()) {
    emitter << value.get<bool>();
  } else if (value.is_string()) {
    emitter << YAML::DoubleQuoted << value.get<std::string>();
  } else {
    emitter << value.dump();
  }
}

// True when the format was one of those that need no columns.
bool print_data(const json& data, const Context& context) {
  if (context.output_format() == Format::kJson) {
    context.out << data.dump(2, ' ', false, json::error_handler_t::replace) << '\n';
    return true;
  }
  if (context.output_format() == Format::kYaml) {
    YAML::Emitter emitter;
    emit(emitter, data);
    context.out << emitter.c_str() << '\n';
    return true;
  }
  return false;
}

void print_table(const std::vector<std::vector<std::string>>& rows, std::ostream& out) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    for (std::size_t i = 0; i + 1 < row.size(); ++i) {
      fmt::print(out, "{:<{}}  ", row[i], widths[i]);
    }
    fmt::print(out, "{}\n", row.back());
  }
}

}  // namespace

void print_list(const json& list, const std::vector<Column>& columns,
                const std::string& name_pointer, const Context& context) {
  if (print_data(list, context)) return;
  if (context.output_format() == Format::kName) {
    for (const json& object : list) context.out << cell(value_at(object, name_pointer)) << '\n';
    return;
  }
  const bool wide = context.output_format() == Format::kWide;
  std::vector<std::vector<std::string>> rows(1);
  for (const Column& column : columns) {
    if (wide || !column.wide_only) rows[0].push_back(column.heading);
  }
  for (const json& object : list) {
    auto& row = rows.emplace_back();
    for (const Column& column : columns) {
      if (wide || !column.wide_only) row.push_back(cell(value_at(object, column.pointer)));
    }
  }
  print_table(rows, context.out);
}

void print_object(const json& object, const std::vector<Column>& fields,
                  const std::string& name_pointer, const Context& context) {
  if (print_data(object, context)) return;
  if (context.output_format() == Format::kName) {
    context.out << cell(value_at(object, name_pointer)) << '\n';
    return;
  }
  std::size_t width = 0;
  for (const Column& field : fields) width = std::max(width, field.heading.size() + 1);
  for (const Column& field : fields) {
    fmt::print(context.out, "{:<{}}  {}\n", field.heading + ":", width,
               cell(value_at(object, field.pointer)));
  }
}

}  // namespace kscpush::cli
