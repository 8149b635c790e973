#include "cli/support/output.hpp"

#include <algorithm>
#include <ostream>

#include <fmt/ostream.h>
#include <fmt/ranges.h>
#include <yaml-cpp/yaml.h>

#include "core/words.hpp"

namespace kscpush::cli {
namespace {

using nlohmann::json;

const json* value_at(const json& object, const std::string& pointer) {
  const json::json_pointer at(pointer);
  // contains() is false, not an exception, when a parent is null.
  return object.contains(at) ? &object.at(at) : nullptr;
}

// A cell: yes and no for booleans, words of a list, "-" for nothing. Control characters of data
// that came from devices must not reach a terminal.
std::string cell(const json* value) {
  if (value == nullptr || value->is_null() || (value->is_object() && value->empty())) return "-";
  if (value->is_boolean()) return value->get<bool>() ? "yes" : "no";
  const bool words = value->is_array() &&
                     std::ranges::all_of(*value, [](const json& item) { return item.is_string(); });
  const std::string text =
      value->is_string() ? value->get<std::string>()
      : words            ? fmt::format("{}", fmt::join(value->get<std::vector<std::string>>(), " "))
                         : value->dump();
  return text.empty() ? "-" : one_line(text);
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

std::string as_yaml(const json& data) {
  YAML::Emitter emitter;
  emit(emitter, data);
  return emitter.c_str();
}

std::string as_json(const json& data) {
  return data.dump(2, ' ', false, json::error_handler_t::replace);
}

// True when the format was one of those that need no columns.
bool print_data(const json& data, const Context& context) {
  if (context.output_format() == Format::kJson) {
    context.out << as_json(data) << '\n';
    return true;
  }
  if (context.output_format() == Format::kYaml) {
    context.out << as_yaml(data) << '\n';
    return true;
  }
  return false;
}

}  // namespace

bool prints_text(const Context& context) {
  return context.output_format() == Format::kTable || context.output_format() == Format::kWide;
}

ListPrinter::ListPrinter(std::vector<Column> columns, std::string name_pointer,
                         const Context& context)
    : columns_(std::move(columns)), name_pointer_(std::move(name_pointer)), context_(context) {}

std::vector<Column> ListPrinter::shown_columns() const {
  std::vector<Column> shown;
  for (const Column& column : columns_) {
    if (!column.wide_only || context_.output_format() == Format::kWide) shown.push_back(column);
  }
  return shown;
}

void ListPrinter::add(const json& page) {
  std::ostream& out = context_.out;
  switch (context_.output_format()) {
    case Format::kName:
      for (const json& object : page) out << cell(value_at(object, name_pointer_)) << '\n';
      return;
    case Format::kJson:
      // The page without its own brackets: lists of pages look like one list.
      if (page.empty()) return;
      out << (begun_ ? ",\n" : "[\n");
      {
        const std::string text = as_json(page);
        out << text.substr(2, text.size() - 4);
      }
      begun_ = true;
      return;
    case Format::kYaml:
      if (!page.empty()) out << as_yaml(page) << '\n';
      begun_ = begun_ || !page.empty();
      return;
    case Format::kTable:
    case Format::kWide:
      if (!page.empty() || !begun_) add_rows(page);
      return;
  }
}

void ListPrinter::add_rows(const json& page) {
  const auto columns = shown_columns();
  std::vector<std::vector<std::string>> rows;
  if (!begun_) {
    auto& headings = rows.emplace_back();
    for (const Column& column : columns) headings.push_back(column.heading);
    widths_.resize(columns.size());
    begun_ = true;
  }
  for (const json& object : page) {
    auto& row = rows.emplace_back();
    for (const Column& column : columns) row.push_back(cell(value_at(object, column.pointer)));
  }
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths_[i] = std::max(widths_[i], row[i].size());
  }
  for (const auto& row : rows) {
    for (std::size_t i = 0; i + 1 < row.size(); ++i) {
      fmt::print(context_.out, "{:<{}}  ", row[i], widths_[i]);
    }
    fmt::print(context_.out, "{}\n", row.back());
  }
}

void ListPrinter::finish() {
  switch (context_.output_format()) {
    case Format::kJson:
      context_.out << (begun_ ? "\n]\n" : "[]\n");
      return;
    case Format::kYaml:
      if (!begun_) context_.out << "[]\n";
      return;
    case Format::kTable:
    case Format::kWide:
      if (!begun_) add_rows(json::array());
      return;
    case Format::kName:
      return;
  }
}

void print_list(const json& list, const std::vector<Column>& columns,
                const std::string& name_pointer, const Context& context) {
  ListPrinter printer(columns, name_pointer, context);
  printer.add(list);
  printer.finish();
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
