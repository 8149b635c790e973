#include "core/csv.hpp"

#include <algorithm>

#include "core/mqtt/utf8.hpp"

namespace kscpush {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// The first of the candidates in the first line, quoted fields left out.
char find_separator(std::string_view text) {
  bool quoted = false;
  for (const char c : text.substr(0, text.find('\n'))) {
    if (c == '"') quoted = !quoted;
    if (!quoted && (c == ',' || c == ';' || c == '\t')) return c;
  }
  return ',';
}

}  // namespace

CsvReader::CsvReader(std::string_view text) : text_(text) {
  if (text_.starts_with(kByteOrderMark)) text_.remove_prefix(kByteOrderMark.size());
  separator_ = find_separator(text_);
}

bool CsvReader::at_line_end() const {
  const std::string_view rest = text_.substr(at_);
  return rest.empty() || rest.starts_with('\n') || rest.starts_with("\r\n") || rest == "\r";
}

void CsvReader::end_line() {
  if (at_ < text_.size() && text_[at_] == '\r') ++at_;
  if (at_ < text_.size()) ++at_;
  ++line_;
}

void CsvReader::skip_line(std::size_t begin) {
  at_ = std::min(text_.find('\n', begin), text_.size() - 1) + 1;
  line_ = row_line_ + 1;
}

Result<std::optional<CsvReader::Row>> CsvReader::next() {
  while (at_ < text_.size() && at_line_end()) end_line();
  row_line_ = line_;
  if (at_ == text_.size()) return std::nullopt;
  const std::size_t begin = at_;
  auto fields = row();
  if (fields && !mqtt::is_utf8_string(text_.substr(begin, at_ - begin))) {
    fields =
        fail({ErrorCode::kUsage, "the line is not UTF-8",
              "save the table as \"CSV UTF-8\", or convert it: iconv -f WINDOWS-1252 -t UTF-8"});
  }
  if (fields) {
    end_line();
    return std::move(*fields);
  }
  skip_line(begin);
  return fail(fields.error());
}

Result<CsvReader::Row> CsvReader::row() {
  Row fields;
  for (;;) {
    auto text = field();
    if (!text) return fail(text.error());
    fields.push_back(std::move(*text));
    if (at_line_end()) return fields;
    if (fields.size() == kMostFields) {
      return fail(ErrorCode::kUsage, "the line has more than {} fields", kMostFields);
    }
    ++at_;  // the separator
  }
}

Result<std::string> CsvReader::field() {
  if (at_ < text_.size() && text_[at_] == '"') return quoted();
  const std::size_t begin = at_;
  while (!at_line_end() && text_[at_] != separator_) {
    if (text_[at_] == '"') {
      return fail({ErrorCode::kUsage, "a quote stands inside a field that does not begin with one",
                   "put the whole field into quotes, and double those inside"});
    }
    ++at_;
  }
  if (at_ - begin <= kLongestField) return std::string(text_.substr(begin, at_ - begin));
  return fail(ErrorCode::kUsage, "a field has more than {} bytes", kLongestField);
}

Result<std::string> CsvReader::quoted() {
  std::string text;
  const std::size_t begin = ++at_;
  for (; at_ < text_.size() && at_ - begin <= kLongestField; ++at_) {
    const char c = text_[at_];
    if (c == '\n') ++line_;
    if (c != '"') {
      text.push_back(c);
      continue;
    }
    ++at_;
    if (at_ < text_.size() && text_[at_] == '"') {
      text.push_back('"');
      continue;
    }
    if (at_line_end() || text_[at_] == separator_) return text;
    return fail({ErrorCode::kUsage, "text follows the closing quote of a field",
                 "double the quotes inside a quoted field"});
  }
  return fail({ErrorCode::kUsage, "a quote is not closed",
               fmt::format("a quoted field has at most {} bytes", kLongestField)});
}

}  // namespace kscpush
