// Tasks and collectors out of the agent's file.
#include <algorithm>
#include <set>

#include "agent/tasks/declaration.hpp"
#include "core/numbers.hpp"

namespace kscpush::agent {
namespace {

using site::Reader;
using yaml::Node;

constexpr std::size_t kMostTasks = 200;
constexpr std::size_t kMostCollectors = 50;
constexpr std::size_t kMostArguments = 100;
constexpr std::size_t kMostParameters = 20;
constexpr std::size_t kMostValues = 200;
constexpr std::size_t kLongestName = 64;

bool is_name(std::string_view text) {
  const auto fits = [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  };
  return !text.empty() && text.size() <= kLongestName && std::ranges::all_of(text, fits);
}

void read_name(Reader& reader, const Node& node, std::string_view what, std::string& target) {
  std::string text;
  reader.read(node, what, text);
  if (is_name(text)) {
    target = std::move(text);
    return;
  }
  reader.error(node, fmt::format("{} cannot be '{}'", what, text.substr(0, 80)),
               "names have 1 to 64 of letters, digits, '.', '_', '-'");
}

void read_words(Reader& reader, const Node& node, std::string_view what, std::size_t most,
                std::vector<std::string>& words) {
  reader.sequence(node, what, [&](const Node& item, std::size_t i) {
    std::string word;
    reader.read(item, fmt::format("an item of {}", what), word);
    if (word.find('\0') != std::string::npos) reader.error(item, "a NUL byte cannot be passed on");
    if (i == most) reader.error(item, fmt::format("more than {} items in {}", most, what));
    if (i < most) words.push_back(std::move(word));
  });
}

void read_path(Reader& reader, const Node& node, std::string_view what, std::string& target) {
  reader.read(node, what, target);
  if (target.starts_with('/')) return;
  reader.error(node,
               fmt::format("{} must be an absolute path, not '{}'", what, target.substr(0, 80)),
               "nothing is looked for in PATH");
}

Reader::Field number(Reader& reader, std::string_view what, std::uint32_t& target,
                     std::uint32_t least, std::uint32_t most) {
  return {what, [&reader, what, &target, least, most](const Node& v) {
            reader.read(v, what, target, least, most);
          }};
}

void read_limits(Reader& reader, const Node& node, ProcessLimits& limits) {
  reader.mapping(node, "limits",
                 {number(reader, "cpu_s", limits.cpu_s, 1, 1'000'000),
                  number(reader, "memory_mib", limits.memory_mib, 1, 16'777'216),
                  number(reader, "processes", limits.processes, 1, 100'000),
                  number(reader, "files", limits.files, 4, 1'000'000)});
}

void read_environment(Reader& reader, const Node& node,
                      std::map<std::string, std::string>& environment) {
  if (reader.resolve(node).kind == yaml::Kind::kNull) return;
  if (reader.resolve(node).kind != yaml::Kind::kMapping) {
    return reader.error(node, "environment must be a mapping of names and values");
  }
  for (const yaml::Entry* const entry : reader.entries(node)) {
    std::string value;
    reader.read(entry->value, "a value of environment", value);
    const std::string& name = entry->key.value;
    if (!is_name(name) || value.find('\0') != std::string::npos) {
      reader.error(entry->key,
                   fmt::format("'{}' cannot be set in an environment", name.substr(0, 80)));
    } else if (environment.size() == kMostArguments) {
      return reader.error(entry->key, fmt::format("more than {} variables", kMostArguments));
    } else {
      environment[name] = std::move(value);
    }
  }
}

void read_range(Reader& reader, const Node& node, Parameter& parameter) {
  std::vector<std::string> ends;
  read_words(reader, node, "range", 2, ends);
  const auto least = ends.size() == 2 ? to_number<std::int64_t>(ends[0]) : std::nullopt;
  const auto most = ends.size() == 2 ? to_number<std::int64_t>(ends[1]) : std::nullopt;
  if (!least || !most || *least > *most) {
    return reader.error(node, "a range is two whole numbers, the smaller first",
                        "for example range: [1, 100]");
  }
  parameter.kind = Parameter::Kind::kRange;
  parameter.least = *least;
  parameter.most = *most;
}

Parameter read_parameter(Reader& reader, const std::string& name, const Node& node) {
  Parameter parameter;
  parameter.name = name;
  int rules = 0;
  const Node* fallback = nullptr;
  reader.mapping(node, fmt::format("parameter '{}'", name.substr(0, 80)),
                 {{"pattern",
                   [&](auto& v) {
                     ++rules;
                     std::string text;
                     reader.read(v, "pattern", text);
                     auto pattern = Pattern::compile(text);
                     if (!pattern) {
                       return reader.error(
                           v, "not a pattern: " + pattern.error().message,
                           "a POSIX extended regular expression, for example [a-z0-9-]{1,40}");
                     }
                     parameter.kind = Parameter::Kind::kPattern;
                     parameter.pattern = std::move(*pattern);
                   }},
                  {"enum",
                   [&](auto& v) {
                     ++rules;
                     read_words(reader, v, "enum", kMostValues, parameter.values);
                     if (parameter.values.empty()) reader.error(v, "enum has no values");
                   }},
                  {"range",
                   [&](auto& v) {
                     ++rules;
                     read_range(reader, v, parameter);
                   }},
                  {"default", [&](auto& v) {
                     fallback = &v;
                     reader.read(v, "default", parameter.fallback.emplace());
                   }}});
  if (rules != 1) {
    reader.error(node,
                 fmt::format("parameter '{}' needs exactly one of pattern, enum and range",
                             name.substr(0, 80)),
                 "for example {enum: [start, stop]}, {range: [1, 9]}, {pattern: \"[a-z]+\"}");
  } else if (fallback != nullptr) {
    if (auto fits = parameter.check(*parameter.fallback); !fits) {
      reader.error(*fallback, "the default does not fit: " + fits.error().message,
                   fits.error().hint);
    }
  }
  return parameter;
}

void read_parameters(Reader& reader, const Node& node, std::vector<Parameter>& parameters) {
  if (reader.resolve(node).kind == yaml::Kind::kNull) return;
  if (reader.resolve(node).kind != yaml::Kind::kMapping) {
    return reader.error(node, "parameters must be a mapping of names",
                        "for example parameters: {level: {enum: [low, high]}}");
  }
  for (const yaml::Entry* const entry : reader.entries(node)) {
    if (!is_name(entry->key.value)) {
      reader.error(entry->key,
                   fmt::format("a parameter cannot be named '{}'", entry->key.value.substr(0, 80)));
    } else if (parameters.size() == kMostParameters) {
      return reader.error(entry->key, fmt::format("more than {} parameters", kMostParameters));
    } else {
      parameters.push_back(read_parameter(reader, entry->key.value, entry->value));
    }
  }
}

// Each parameter is in the arguments, and each that is there is declared.
void check_arguments(Reader& reader, const Node& node, const TaskDeclaration& task) {
  std::set<std::string> used;
  std::vector<std::string> names;
  for (const Parameter& parameter : task.parameters) names.push_back(parameter.name);
  for (const std::string& text : task.command.args) {
    const auto parts = parse_template(text);
    if (!parts) {
      reader.error(node, parts.error().message, parts.error().hint);
      continue;
    }
    for (const TemplatePart& part : *parts) {
      if (!part.is_parameter) continue;
      used.insert(part.text);
      if (std::ranges::find(names, part.text) != names.end()) continue;
      reader.error(node, fmt::format("parameter '{}' of the arguments is not declared{}",
                                     part.text.substr(0, 80), suggestion(part.text, names)));
    }
  }
  for (const std::string& name : names) {
    if (used.contains(name)) continue;
    reader.error(node, fmt::format("parameter '{}' is not in the arguments", name),
                 "write {" + name + "} where its value goes");
  }
}

template <class T>
void add_named(Reader& reader, const Node& node, std::string_view what, std::size_t most, T item,
               std::vector<T>& items) {
  if (item.name.empty()) {
    return reader.error(node, fmt::format("a {} has no name", what));
  }
  if (std::ranges::find(items, item.name, &T::name) != items.end()) {
    return reader.error(node, fmt::format("two {}s are named '{}'", what, item.name));
  }
  if (items.size() == most) return reader.error(node, fmt::format("more than {} {}s", most, what));
  items.push_back(std::move(item));
}

TaskDeclaration read_task(Reader& reader, const Node& node) {
  TaskDeclaration task;
  Command& command = task.command;
  const Node* args = &node;
  reader.mapping(
      node, "a task",
      {{"name", [&](auto& v) { read_name(reader, v, "the name of a task", task.name); }},
       {"description", [&](auto& v) { reader.read(v, "description", task.description); }},
       {"command", [&](auto& v) { read_path(reader, v, "command", command.program); }},
       {"args",
        [&](auto& v) {
          args = &v;
          read_words(reader, v, "args", kMostArguments, command.args);
        }},
       {"parameters", [&](auto& v) { read_parameters(reader, v, task.parameters); }},
       {"user", [&](auto& v) { reader.read(v, "user", command.user); }},
       {"environment", [&](auto& v) { read_environment(reader, v, command.environment); }},
       {"working_directory",
        [&](auto& v) { read_path(reader, v, "working_directory", command.working_directory); }},
       {"limits", [&](auto& v) { read_limits(reader, v, command.limits); }},
       number(reader, "timeout_s", task.timeout_s, 1, TaskDeclaration::kLongestTimeout),
       number(reader, "grace_s", task.grace_s, 0, TaskDeclaration::kLongestGrace),
       number(reader, "concurrency", task.concurrency, 1, 100)});
  if (command.program.empty()) reader.error(node, "a task has no command");
  check_arguments(reader, *args, task);
  return task;
}

CollectorDeclaration read_collector(Reader& reader, const Node& node) {
  CollectorDeclaration collector;
  Command& command = collector.command;
  reader.mapping(
      node, "a collector",
      {{"name", [&](auto& v) { read_name(reader, v, "the name of a collector", collector.name); }},
       {"format",
        [&](auto& v) {
          std::string text;
          reader.read(v, "format", text);
          if (text != "json" && text != "prometheus") {
            reader.error(
                v, fmt::format("format must be json or prometheus, not '{}'", text.substr(0, 80)));
          }
          collector.format = text == "prometheus" ? CollectorDeclaration::Format::kPrometheus
                                                  : CollectorDeclaration::Format::kJson;
        }},
       {"command", [&](auto& v) { read_path(reader, v, "command", command.program); }},
       {"args", [&](auto& v) { read_words(reader, v, "args", kMostArguments, command.args); }},
       {"file", [&](auto& v) { read_path(reader, v, "file", collector.file); }},
       {"user", [&](auto& v) { reader.read(v, "user", command.user); }},
       {"environment", [&](auto& v) { read_environment(reader, v, command.environment); }},
       {"working_directory",
        [&](auto& v) { read_path(reader, v, "working_directory", command.working_directory); }},
       {"limits", [&](auto& v) { read_limits(reader, v, command.limits); }},
       number(reader, "timeout_s", collector.timeout_s, 1, CollectorDeclaration::kLongestTimeout)});
  if (command.program.empty() == collector.file.empty()) {
    reader.error(node, "a collector needs either a command or a file");
  }
  return collector;
}

}  // namespace

void read_tasks(Reader& reader, const Node& node, std::vector<TaskDeclaration>& tasks) {
  reader.sequence(node, "tasks", [&](const Node& item, std::size_t) {
    add_named(reader, item, "task", kMostTasks, read_task(reader, item), tasks);
  });
}

void read_collectors(Reader& reader, const Node& node,
                     std::vector<CollectorDeclaration>& collectors) {
  reader.sequence(node, "collectors", [&](const Node& item, std::size_t) {
    add_named(reader, item, "collector", kMostCollectors, read_collector(reader, item), collectors);
  });
}

}  // namespace kscpush::agent
