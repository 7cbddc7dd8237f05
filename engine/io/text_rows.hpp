// SPDX-License-Identifier: MIT
// Rows of numbers in text files: lines that are more than a comment, with their numbers for messages. A byte order mark
// is skipped, lines end in LF, CR LF or CR, numbers may be Fortran's (.5, 1.0D-3). Errors are Error{data} with where()
// "path:line" and the remedy in the message.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/io/text.hpp"
#include "kernels/runtime/hd.hpp"

namespace terrane {

// False when the token is no number. Fortran writes exponents with D as well.
bool number_of(std::string_view token, double& value);
bool whole_number(std::string_view token, Index& value);
// The shortest decimals that read back to the same bits; no negative zero.
std::string number_text(double value);
// Four significant digits, for messages.
std::string short_number(double value);
// "1 sensor", "3 sensors", "3 data".
std::string counted(Index n, const std::string& one);

struct TextRow {
  Index line = 0;  // from 1
  std::string_view text;
  Tokens tokens;
};

class TextRows {
 public:
  // Any of the characters in `comment` begins one; `commas` separate words like blanks do.
  TextRows(std::string_view text, std::string path, std::string_view comment, bool commas = false);
  TextRows(const TextRows&) = delete;
  TextRows& operator=(const TextRows&) = delete;

  std::vector<TextRow> rows;      // views into the text
  std::vector<TextRow> comments;  // what stands after the first comment character, where that is something
  Index lines = 0;

  [[noreturn]] void fail(Index line, const std::string& what) const;
  [[noreturn]] void fail(const TextRow& row, const std::string& what) const { fail(row.line, what); }
  double number(const TextRow& row, std::size_t column) const;  // finite
  Index whole(const TextRow& row, std::size_t column, const std::string& what) const;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::vector<std::string> without_commas_;
};

}  // namespace terrane
