// SPDX-License-Identifier: MIT
// UBC-GIF DCIP2D and DCIP3D observations: voltages (volt for 1 A) or, with IPTYPE, chargeabilities of four-electrode
// records; and locations, the same files without values.
//   2-D general   number of sources; for each "xA zA xB zB n", then n lines "xM zM xN zN V std"
//   2-D surface   number of sources; for each "xA xB n", then n lines "xM xN V std"
//   2-D simple    lines "xA xB xM xN V std", or "xA zA xB zB xM zM xN zN V std"
//   3-D general   for each source "xA yA zA xB yB zB n", then n lines "xM yM zM xN yN zN V std"
//   3-D surface   for each source "xA yA xB yB n", then n lines "xM yM xN yN V std"
// A 3-D file may begin with the number of its sources too. "!" begins a comment, empty lines may stand anywhere, tokens
// may be in either case. Before the first number may stand COMMON_CURRENT, IPTYPE=n (in 3-D also between sources, with
// the same n) and, in old files, one line of title; the number of sources may be followed by two flags, which are kept
// as a note. std may be absent from all lines alike. Numbers may be Fortran's: .5, -.5, 1.0D-3.
//
// A source line of five values is general in 2-D and surface in 3-D; without a number of sources, a file is taken for
// 3-D by its content when its first line can only begin a source: seven values, or five, the last one a count, before
// lines of four or six.
//
// A pole is a repeated electrode, decided for each record and each source: B = A, N = M. z in the file is an elevation,
// up ("up"), or a depth ("down"); it comes out down. Without z the electrodes are at z = 0.
// The sign of V is that of phi(M) - phi(N); negative values are normal.
//
// Reading errors are Error{data} with where() "path:line" and the remedy in the message.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "physics/resistivity/dc_survey.hpp"

namespace terrane {

enum class UbcFormat : int { general, surface, simple };

struct UbcObservations {
  int dimensions = 2;         // 2: y = 0
  DcSurvey survey;            // electrodes: distinct positions in the order of the file; z down
  std::vector<double> value;  // (datum) volt for 1 A, or what ip_type says; empty: locations
  std::vector<double> std;    // (datum) >= 0; empty when the file has none. Predicted data may hold apparent
                              // resistivities in this column: median_std_ratio tells.
  UbcFormat format = UbcFormat::general;
  bool has_z = true;
  bool common_current = false;
  std::optional<int> ip_type;      // IP data when there is one
  std::string title;               // of old files
  std::vector<std::string> notes;  // one sentence for each thing that was assumed
  std::vector<Index> line;         // (datum) of the file; empty in observations that were not read
  Index zero_std = 0;

  Index sources() const;  // distinct pairs of current electrodes
};

struct UbcReadOptions {
  std::string z_axis = "up";  // "up" or "down"; anything else is an Error{config}
  int dimensions = 2;         // 2, 3, or 0: by content
  bool locations = false;     // a file without values is no error
};

UbcObservations read_ubc_observations(const std::string& path, const UbcReadOptions& options = {});
UbcObservations parse_ubc_observations(std::string_view text, const std::string& path,
                                       const UbcReadOptions& options = {});
// The text begins like a 3-D file without a number of sources.
bool looks_like_dcip3d(std::string_view text);

// Throws Error{data}, with the line where known, unless every datum has a positive standard deviation.
void require_std(const UbcObservations& obs, const std::string& path);
// Median over the data of std / |value|; 0 without either.
double median_std_ratio(const UbcObservations& obs);

// In obs.format and obs.dimensions, z up; with the shortest decimals that read back to the same bits. Consecutive data
// of one source make a block. A record without A is written with B in its place and the opposite sign, one without M
// likewise. Without values: locations. Error{data} for observations whose lists do not fit together, that are not
// finite, or that the format cannot hold (surface: z; 2-D: y; 3-D: the simple format).
std::string ubc_observations_text(const UbcObservations& obs);
// Atomic.
void write_ubc_observations(const std::string& path, const UbcObservations& obs);

}  // namespace terrane
