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

}  // namespace

Glyph glyph_of(char c) {
  Glyph glyph;
  if (c < ' ' || c > '~') {
    glyph.strokes = {{{0, 0}, {4, 0}, {4, 6}, {0, 6}, {0, 0}}};
    return glyph;
  }
  const std::string_view code = glyphs[static_cast<std::size_t>(c - ' ')];
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

double text_width(std::string_view text) {
  double width = 0;
  for (const char c : text) width += glyph_of(c).width + font_space;
  return text.empty() ? 0 : width - font_space;
}

std::string ascii_label(std::string_view utf8) {
  static constexpr std::pair<std::string_view, std::string_view> table[] = {
      {"²", "^2"},  {"³", "^3"},  {"−", "-"},  {"×", "x"}, {"·", " "}, {"–", "-"},
      {"Ω", "ohm"}, {"φ", "phi"}, {"±", "+-"}, {"Δ", "d"}, {"∂", "d"}};
  std::string out;
  for (std::size_t i = 0; i < utf8.size();) {
    const auto hit = std::find_if(std::begin(table), std::end(table),
                                  [&](const auto& row) { return utf8.substr(i, row.first.size()) == row.first; });
    if (hit != std::end(table)) {
      out += hit->second;
      i += hit->first.size();
    } else {
      out += utf8[i++];
    }
  }
  return out;
}

}  // namespace terrane
