// SPDX-License-Identifier: MIT
// Words of a line, for readers of text files.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace terrane {

using Tokens = std::vector<std::string_view>;

// ASCII letters in lower case.
std::string lower(std::string_view text);
// Words between blanks and tabs.
Tokens split(std::string_view text);
// "grid, mlp, siren".
std::string join_words(const std::vector<std::string>& parts, std::string_view separator = ", ");
// Escapes & < > " for HTML, XML and SVG; control characters become blanks.
std::string html_escape(std::string_view text);
// Text of a file in a message of one line: in quotes, cut after 40 characters, control characters as '?'.
std::string in_quotes(std::string_view token);
// Throws Error{data} that names the file, and the line where there is one.
[[noreturn]] void fail_at(const std::string& path, std::ptrdiff_t line, const std::string& what);

}  // namespace terrane
