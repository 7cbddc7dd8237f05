// SPDX-License-Identifier: MIT
#include "engine/io/text.hpp"

#include <algorithm>

#include "kernels/runtime/error.hpp"

namespace terrane {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

Tokens split(std::string_view text) {
  static constexpr std::string_view blanks = " \t\v\f";
  Tokens tokens;
  for (std::size_t at = text.find_first_not_of(blanks); at != std::string_view::npos;) {
    const std::size_t end = std::min(text.find_first_of(blanks, at), text.size());
    tokens.push_back(text.substr(at, end - at));
    at = text.find_first_not_of(blanks, end);
  }
  return tokens;
}

std::string in_quotes(std::string_view token) {
  std::string text = "'" + std::string(token.substr(0, 40)) + (token.size() > 40 ? "..." : "") + "'";
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 32; }, '?');
  return text;
}

std::string html_escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += static_cast<unsigned char>(c) < 32 && c != '\n' ? ' ' : c;
    }
  }
  return out;
}

std::string join_words(const std::vector<std::string>& parts, std::string_view separator) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : std::string(separator)) + part;
  return text;
}

void fail_at(const std::string& path, std::ptrdiff_t line, const std::string& what) {
  throw Error(ErrorCode::data, what, line > 0 ? path + ":" + std::to_string(line) : path);
}

}  // namespace terrane
