// SPDX-License-Identifier: MIT
#include "engine/io/text_rows.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <utility>

#include "kernels/runtime/error.hpp"

namespace terrane {

bool number_of(std::string_view token, double& value) {
  std::string t = lower(token);
  std::replace(t.begin(), t.end(), 'd', 'e');
  const char* begin = t.data() + (t.size() > 1 && t[0] == '+' && t[1] != '-' ? 1 : 0);
  const auto [end, problem] = std::from_chars(begin, t.data() + t.size(), value);
  return problem == std::errc{} && end == t.data() + t.size();
}

bool whole_number(std::string_view token, Index& value) {
  const auto [end, problem] = std::from_chars(token.data(), token.data() + token.size(), value);
  return problem == std::errc{} && end == token.data() + token.size();
}

std::string number_text(double value) {
  char text[40];
  return {text, std::to_chars(text, text + sizeof text, value == 0 ? 0.0 : value).ptr};
}

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

std::string counted(Index n, const std::string& one) {
  return std::to_string(n) + " " + (n != 1 && one == "datum" ? "data" : one + (n == 1 ? "" : "s"));
}

TextRows::TextRows(std::string_view text, std::string path, std::string_view comment, bool commas)
    : path_(std::move(path)) {
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff") || text.find('\0') != std::string_view::npos) {
    throw Error(ErrorCode::data, "this is no plain text (zero bytes or UTF-16); save it as ASCII or UTF-8", path_);
  }
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  if (commas) {  // the words below are views into this copy
    without_commas_.emplace_back(text);
    std::replace(without_commas_[0].begin(), without_commas_[0].end(), ',', ' ');
    text = without_commas_[0];
  }
  for (; !text.empty(); ++lines) {
    const std::size_t end = std::min(text.find_first_of("\r\n"), text.size());
    const std::string_view whole = text.substr(0, end);
    const std::size_t cut = std::min(end, whole.find_first_of(comment));
    text.remove_prefix(end + (text.substr(end, 2) == "\r\n" ? 2 : end < text.size() ? 1 : 0));
    TextRow row{lines + 1, whole.substr(0, cut), split(whole.substr(0, cut))};
    if (!row.tokens.empty()) rows.push_back(std::move(row));
    if (cut == end) continue;
    TextRow rest{lines + 1, whole.substr(cut + 1), split(whole.substr(cut + 1))};
    if (!rest.tokens.empty()) comments.push_back(std::move(rest));
  }
}

void TextRows::fail(Index line, const std::string& what) const {
  throw Error(ErrorCode::data, what, path_ + ":" + std::to_string(std::max<Index>(line, 1)));
}

double TextRows::number(const TextRow& row, std::size_t column) const {
  const std::string_view token = row.tokens[column];
  double value = 0;
  if (!number_of(token, value)) {
    if (token.find(',') != std::string_view::npos) {
      fail(row.line,
           in_quotes(token) + " has a comma; write decimals with a point (0.5) and separate values with blanks");
    }
    fail(row.line, in_quotes(token) + " is not a number; correct it, or make it a comment");
  }
  if (!std::isfinite(value)) fail(row.line, in_quotes(token) + " is not finite; remove the record or correct it");
  return value;
}

Index TextRows::whole(const TextRow& row, std::size_t column, const std::string& what) const {
  Index value = 0;
  if (!whole_number(row.tokens[column], value)) {
    fail(row.line, "expected " + what + ", found " + in_quotes(row.tokens[column]));
  }
  return value;
}

}  // namespace terrane
