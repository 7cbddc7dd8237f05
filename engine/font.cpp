// SPDX-License-Identifier: MIT
#include "engine/font.hpp"

#include <algorithm>
#include <array>

namespace terrane {
namespace {

// For each character from ' ' to '~': width digit, then strokes, each after a blank; a stroke is a list of xy digit
// pairs; a stroke of one point is a dot.
constexpr std::array<const char*, 95> glyphs = {
    "2",                                      // space
    "0 0004 06",                              // !
    "2 0002 2022",                            // "
    "4 1016 3036 0242 0444",                  // #
    "4 413010010213334445361605 2026",        // $
    "4 4006 0010110100 3545463635",           // %
    "4 4612112031220405163644",               // &
    "0 0002",                                 // '
    "1 10010516",                             // (
    "1 00111506",                             // )
    "2 0123 0321 1014",                       // *
    "4 2125 0343",                            // +
    "1 1607",                                 // ,
    "3 0333",                                 // -
    "0 06",                                   // .
    "3 3006",                                 // /
    "4 103041453616050110",                   // 0
    "2 011016 0626",                          // 1
    "4 01103041420646",                       // 2
    "4 01103041423313 334445361605",          // 3
    "4 36300444",                             // 4
    "4 400002324345361605",                   // 5
    "4 413010010516364544331304",             // 6
    "4 004016",                               // 7
    "4 103041423313020110 1304051636454433",  // 8
    "4 051636454130100102133342",             // 9
    "0 03 06",                                // :
    "1 13 1607",                              // ;
    "3 310335",                               // <
    "4 0242 0444",                            // =
    "3 013305",                               // >
    "4 01103041422324 26",                    // ?
    "4 46160501103041443432121434",           // @
    "4 062046 1434",                          // A
    "4 000636454433030030414233",             // B
    "4 4130100105163645",                     // C
    "4 00062644422000",                       // D
    "4 40000646 0333",                        // E
    "4 400006 0333",                          // F
    "4 413010010516364543 4323",              // G
    "4 0006 4046 0343",                       // H
    "2 0020 1016 0626",                       // I
    "3 3035261605",                           // J
    "4 0006 4004 1346",                       // K
    "3 000636",                               // L
    "4 0600234046",                           // M
    "4 06004640",                             // N
    "4 103041453616050110",                   // O
    "4 06003041423303",                       // P
    "4 103041453616050110 2446",              // Q
    "4 06003041423303 2346",                  // R
    "4 413010010213334445361605",             // S
    "4 0040 2026",                            // T
    "4 000516364540",                         // U
    "4 002640",                               // V
    "4 0016233640",                           // W
    "4 0046 4006",                            // X
    "4 002340 2326",                          // Y
    "4 00400646",                             // Z
    "1 10000616",                             // [
    "3 0036",                                 // backslash
    "1 00101606",                             // ]
    "2 021022",                               // ^
    "4 0747",                                 // _
    "1 0011",                                 // `
    "3 0312223336 34261605041434",            // a
    "3 0006 0312223335261605",                // b
    "3 3322120305162635",                     // c
    "3 3036 3322120305162635",                // d
    "3 04343322120305162635",                 // e
    "2 201116 0222",                          // f
    "3 3237281807 3322120305162635",          // g
    "3 0006 0312223336",                      // h
    "0 00 0206",                              // i
    "1 10 121708",                            // j
    "3 0006 3205 1436",                       // k
    "0 0006",                                 // l
    "4 0206 03122326 23324346",               // m
    "3 0206 0312223336",                      // n
    "3 122233352616050312",                   // o
    "3 0208 0312223335261605",                // p
    "3 3238 3322120305162635",                // q
    "2 0206 031222",                          // r
    "3 33221203142435261605",                 // s
    "2 101526 0222",                          // t
    "3 0205162635 3236",                      // u
    "4 022642",                               // v
    "4 0216233642",                           // w
    "3 0236 3206",                            // x
    "3 0205162635 3237281807",                // y
    "3 02320636",                             // z
    "2 20111203141526",                       // {
    "0 0008",                                 // |
    "2 00111223141506",                       // }
    "4 03123342",                             // ~
};

// Greek letters and signs of labels, coded the same way.
constexpr std::pair<char32_t, const char*> others[] = {
    {U'\u00b0', "2 1021120110"},                // degree
    {U'\u00b1', "4 2024 0242 0646"},            // plus-minus
    {U'\u00b5', "3 0208 0205162635 3236"},      // micro
    {U'\u00b7', "0 03"},                        // middle dot
    {U'\u00d7', "3 0235 0532"},                 // times
    {U'\u0394', "4 06204606"},                  // Delta
    {U'\u03a6', "4 113142443515040211 2026"},   // Phi
    {U'\u03a9', "4 061614030110304143343646"},  // Omega
    {U'\u03b1', "4 42352616050312223346"},      // alpha
    {U'\u03b2', "3 0801102031223335261605"},    // beta
    {U'\u03b5', "3 3212031424 14051636"},       // epsilon
    {U'\u03b7', "3 0206 0312223338"},           // eta
    {U'\u03b8', "3 102031352616050110 0333"},   // theta
    {U'\u03bb', "3 001036 2306"},               // lambda
    {U'\u03bc', "3 0208 0205162635 3236"},      // mu
    {U'\u03c0', "4 0242 1216 3236"},            // pi
    {U'\u03c1', "3 080312223335261605"},        // rho
    {U'\u03c3', "4 421203051626353322"},        // sigma
    {U'\u03c6', "4 123243453616050312 2028"},   // phi
    {U'\u03c7', "3 0238 3208"},                 // chi
    {U'\u03c9', "4 120305162536454332 2325"},   // omega
    {U'\u2013', "4 0343"},                      // en dash
    {U'\u2026', "4 06 26 46"},                  // ellipsis
    {U'\u2202', "3 10203135261605041333"},      // partial derivative
    {U'\u2212', "4 0343"},                      // minus
};

// Raised characters are small copies of these.
constexpr std::pair<char32_t, char> raised[] = {
    {U'\u00b9', '1'}, {U'\u00b2', '2'}, {U'\u00b3', '3'}, {U'\u1d40', 'T'}, {U'\u207b', '-'}};
constexpr double raised_size = 0.6, raised_top = -1;

Glyph decode(std::string_view code) {
  Glyph glyph;
  glyph.width = code[0] - '0';
  for (std::size_t i = 1; i < code.size();) {
    if (code[i] == ' ') {
      glyph.strokes.emplace_back();
      ++i;
      continue;
    }
    glyph.strokes.back().emplace_back(code[i] - '0', code[i + 1] - '0');
    i += 2;
  }
  std::erase_if(glyph.strokes, [](const Stroke& s) { return s.empty(); });
  return glyph;
}

template <class Table>
auto find(const Table& table, char32_t c) {
  return std::find_if(std::begin(table), std::end(table), [c](const auto& row) { return row.first == c; });
}

Glyph glyph_of(char32_t c) {
  if (c >= U' ' && c <= U'~') return decode(glyphs[static_cast<std::size_t>(c - U' ')]);
  if (const auto other = find(others, c); other != std::end(others)) return decode(other->second);
  if (const auto small = find(raised, c); small != std::end(raised)) {
    Glyph glyph = decode(glyphs[static_cast<std::size_t>(small->second - ' ')]);
    glyph.width *= raised_size;
    for (Stroke& stroke : glyph.strokes) {
      for (auto& [x, y] : stroke) x *= raised_size, y = y * raised_size + raised_top;
    }
    return glyph;
  }
  return {4, {{{0, 0}, {4, 0}, {4, 6}, {0, 6}, {0, 0}}}};
}

// The character at `utf8[i]`, and i behind it; a byte that is none of UTF-8 stands for itself.
char32_t next_character(std::string_view utf8, std::size_t& i) {
  const auto byte = [&](std::size_t k) { return static_cast<unsigned char>(utf8[k]); };
  const unsigned char first = byte(i++);
  const std::size_t more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : 0;
  if (more == 0 || i + more > utf8.size()) return first;
  char32_t c = first & (0x3fu >> more);
  for (std::size_t k = 0; k < more; ++k) c = c << 6 | (byte(i++) & 0x3fu);
  return c;
}

}  // namespace

std::vector<Glyph> glyphs_of(std::string_view utf8) {
  std::vector<Glyph> line;
  for (std::size_t i = 0; i < utf8.size();) line.push_back(glyph_of(next_character(utf8, i)));
  return line;
}

double text_width(const std::vector<Glyph>& line) {
  double width = 0;
  for (const Glyph& glyph : line) width += glyph.width + font_space;
  return line.empty() ? 0 : width - font_space;
}

}  // namespace terrane
