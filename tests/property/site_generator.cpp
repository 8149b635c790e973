#include "tests/property/site_generator.hpp"

#include <fmt/format.h>

namespace kscpush::test {
namespace {

class Writer {
 public:
  explicit Writer(Random& random)
      : random_(random), step_(2 + 2 * random.below(2)), indented_(!random.chance(3)) {}

  std::vector<site::SourceFile> site() {
    const std::size_t files = 1 + random_.below(3);
    std::vector<site::SourceFile> result;
    for (std::size_t i = 0; i < files; ++i) {
      text_.clear();
      if (i == 0) root_head(files);
      if (i == 0 || random_.chance(2)) groups(i);
      if (i == 0 || random_.chance(2)) points(i);
      if (i == 0 || random_.chance(2)) policies(i);
      result.push_back({i == 0 ? "kscpush.yaml" : fmt::format("parts/{}.yaml", i), finished()});
    }
    return result;
  }

 private:
  std::string finished() {
    if (text_.ends_with('\n') && random_.chance(6)) text_.pop_back();
    if (!random_.chance(5)) return text_;
    std::string windows;
    for (const char c : text_) windows += c == '\n' ? "\r\n" : std::string(1, c);
    return random_.chance(2) ? "\xEF\xBB\xBF" + windows : windows;
  }

  void root_head(std::size_t files) {
    if (random_.chance(4)) text_ += "---\n";
    line(0, "version: 1");
    if (files > 1) line(0, "include: parts/*.yaml");
  }

  void line(std::size_t indent, const std::string& content) {
    if (random_.chance(8)) text_ += "\n";
    if (random_.chance(6)) text_ += std::string(indent, ' ') + mark() + "\n";
    text_ += std::string(indent, ' ') + content;
    if (random_.chance(5)) text_ += "  " + mark();
    text_ += "\n";
  }

  std::string mark() { return fmt::format("# mark {} ä", marks_++); }

  std::string quoted(const std::string& name) {
    switch (random_.below(4)) {
      case 0:
        return "'" + name + "'";
      case 1:
        return "\"" + name + "\"";
      default:
        return name;
    }
  }

  [[nodiscard]] std::size_t list_column() const { return indented_ ? step_ : 0; }

  void groups(std::size_t file) {
    const std::size_t count = random_.below(4);
    const auto name = [&](std::size_t i) { return fmt::format("Managed devices/F{}-{}", file, i); };
    if (count == 0 || random_.chance(3)) {
      std::string list;
      for (std::size_t i = 0; i < count; ++i) list += (i == 0 ? "" : ", ") + quoted(name(i));
      return line(0, "groups: [" + list + "]");
    }
    line(0, "groups:");
    for (std::size_t i = 0; i < count; ++i) line(list_column(), "- " + quoted(name(i)));
  }

  void points(std::size_t file) {
    const std::size_t count = random_.below(3);
    if (count == 0)
      return line(0, random_.chance(2) ? "distribution_points: []" : "distribution_points:");
    line(0, "distribution_points:");
    for (std::size_t i = 0; i < count; ++i) {
      const std::string name = fmt::format("dp-{}-{}", file, i);
      if (random_.chance(4)) {
        line(list_column(), fmt::format("- {{name: {}, scope: {{groups: [Managed devices]}}, "
                                        "push_server: {{enabled: false}}}}",
                                        quoted(name)));
        continue;
      }
      const std::size_t column = list_column() + 2;
      line(list_column(), "- name: " + quoted(name));
      if (random_.chance(2)) line(column, "address: a.example.com");
      if (random_.chance(2)) {
        line(column, "scope:");
        line(column + step_, "groups:");
        line(column + step_ + list_column(), "- " + quoted("Managed devices"));
      }
      if (random_.chance(2)) {
        line(column, "push_server:");
        if (random_.chance(2)) line(column + step_, "enabled: true");
        line(column + step_, "port: 13295");
      }
    }
  }

  void policies(std::size_t file) {
    const std::size_t count = random_.below(3);
    if (count == 0) return line(0, "policies: []");
    line(0, "policies:");
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t column = list_column() + 2;
      line(list_column(), fmt::format("- name: {}", quoted(fmt::format("P{}-{}", file, i))));
      line(column, "group: Managed devices");
      line(column, "status: inactive");
      if (random_.chance(3)) continue;
      if (random_.chance(3)) {
        line(column, "settings: {settings: {event_queue_max_mb: !locked 3}}");
        continue;
      }
      line(column, "settings:");
      line(column + step_, "connectivity:");
      line(column + 2 * step_, "network:");
      line(column + 3 * step_, random_.chance(2) ? "use_ssl: !locked true" : "use_ssl: false");
      if (random_.chance(2)) line(column + 3 * step_, "udp_port: 15000");
    }
  }

  Random& random_;
  std::size_t step_;
  bool indented_;
  std::string text_;
  std::size_t marks_ = 0;
};

}  // namespace

std::vector<site::SourceFile> random_site(Random& random) {
  return Writer(random).site();
}

}  // namespace kscpush::test
