// SPDX-License-Identifier: MIT
// DC resistivity and IP surveys from files of any of five formats, in one form; and back.
//
//   ubc    UBC-GIF DCIP2D and DCIP3D observations (engine/io/ubc.hpp). In the surface format electrodes lie on
//          topography_file, or at z = 0.
//   bert   unified data of BERT and pyGIMLi (engine/io/bert.hpp), .ohm .dat .shm: columns a b m n and one of r (ohm), u
//          with i, rhoa (with k, or the geometric factor of a half-space). err is a share of the value, err/V and
//          err/mV an absolute error of u. ip, iperr: chargeability, in the unit of its token. valid = 0 drops a datum.
//          No column b or n: electrode at infinity.
//   r2     protocol.dat of R2 and cR2: count, then "index A B M N V/I [error]" in ohm. The places of the electrodes are
//          in a second file (lines "x z", "x y z", or a table with a header; z up), or equally spaced. In 3-D files a
//          string number stands before each electrode; one string is read. A seventh column with negative values, or
//          with an eighth beside it, is the phase of cR2 (mrad); the error follows it. Which pair carries the current
//          does not change V/I.
//   xyz    SimPEG XYZ: a line of column names XA [YA] ZA XB ZB XM ZM XN ZN and data columns, then one datum a line; "!"
//          begins a comment. A pole is a repeated electrode or lacks its columns. Without Z electrodes lie on
//          topography_file, or at z = 0.
//   table  the same with names in a comment: a_loc b_loc m_loc n_loc apparent_resistivity apparent_resistivity_err
//          apparent_chargeability apparent_chargeability_err geometric_factor. A geometric_factor in 1/m (the
//          reciprocal of k) is recognised by its size.
//
// An apparent resistivity becomes V/I by the geometric factor of the file, or that of a half-space with a level surface
// (physics/resistivity/dc_geometry.hpp); its sign is that of the latter, as many files give |k|. Where a file gives
// resistance, apparent resistivity and k, they must agree within 1 %.
//
// Reading errors are Error{data} with where() "path:line" and the remedy in the message; unknown options Error{config}.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/io/ubc.hpp"
#include "physics/resistivity/dc_survey.hpp"

namespace terrane {

struct DcReadOptions {
  std::string format = "auto";           // auto (by content), ubc, bert, r2, xyz, table
  std::string second_axis = "auto";      // bert: engine/io/positions.hpp
  std::string z_axis = "up";             // ubc, xyz, topography and electrode files: elevations; "down": depths
  std::string quantity = "auto";         // ubc, whose files may not tell: voltage or chargeability; auto: by IPTYPE
  std::string electrode_order = "abmn";  // r2: what the four numbers are
  std::string electrode_file;            // r2
  double electrode_spacing_m = 0;        // r2 without electrode_file: number i is at x = (i - 1) spacing, z = 0
  std::string topography_file;  // x z of the surface (engine/io/ubc_model.hpp); instead of that of the data file
  bool project_line = false;    // electrodes in map coordinates: offset along the line of best fit
  // 2: electrodes lie on one line, y = 0; 3: they keep their y; 0: as 3 for DCIP3D files, else as 2.
  int dimensions = 2;
};

struct DcObservations {
  DcSurvey survey;                        // electrodes: distinct positions in the order of the file, z down
  std::vector<double> volt;               // (datum) phi(M) - phi(N) for 1 A from A to B; empty for IP data alone
  std::vector<double> std;                // (datum) volt, absolute, >= 0 (0: none); empty when the file has none
  std::vector<double> ip, ip_std;         // (datum) as in the file, in ip_unit; empty when the file has none
  std::string ip_unit;                    // "mV/V", "ms", "mrad" ...; "" where the file does not say
  std::vector<double> factor_m;           // (datum) k of the file (m), with its sign there; empty without
  std::vector<Point3> topography;         // z down, in 2-D with x increasing; may be empty
  int dimensions = 2;                     // 2: y = 0
  std::string format;                     // of the file: ubc, bert, r2, xyz, table
  std::vector<Index> line;                // (datum) of the file; empty in observations that were not read
  std::vector<std::string> notes;         // one sentence for each thing that was assumed, converted or dropped
  Index dropped = 0;                      // data with valid = 0
  UbcFormat layout = UbcFormat::general;  // ubc
};

DcObservations read_dc_data(const std::string& path, const DcReadOptions& options = {});
DcObservations parse_dc_data(std::string_view text, const std::string& path, const DcReadOptions& options = {});
// ubc, bert, r2, xyz, table, or "" when the text looks like none of them.
std::string dc_format_of(std::string_view text, const std::string& path);

// (datum) ohm m: k times V/I with the k of a half-space, electrodes at their depth below the surface.
std::vector<double> apparent_resistivity(const DcObservations& obs);
std::vector<double> geometric_factors_m(const DcObservations& obs);
// (electrode) depth below the surface of the ground; see physics/resistivity/dc_geometry.hpp.
std::vector<double> electrode_depths_m(const DcObservations& obs, std::string* assumed = nullptr);

// The data with keep[i] != 0, in order; electrodes stay.
DcObservations selected(const DcObservations& obs, const std::vector<char>& keep);
// Puts the chargeabilities of `ip` beside the data of `obs`, found by their electrodes (in any order within a pair);
// Error{data} when a datum of obs has none.
void attach_chargeability(DcObservations& obs, const DcObservations& ip);
// For writing (write_ubc_observations), and what was read: volt where there is one, else the chargeability.
UbcObservations to_ubc(const DcObservations& obs);
DcObservations from_ubc(const UbcObservations& ubc, const std::string& quantity = "auto");

// Atomic, metres, elevations, shortest decimals that read back to the same bits: electrodes, volt and what else the
// format holds. Error{data} for observations that could not be read back.
//   bert   a b m n r [err] [k] [ip iperr]; err is the share that gives std back to the bit where there is one (always
//          for what came from such a file), else the nearest
//   r2     and the places of the electrodes (x,y,z) in a second file; no electrode at infinity
//   xyz    XA ZA .. ZN VOLT [STD] [IP] [IP_STD]; electrodes are numbered in the order in which the data use them
void write_bert(const std::string& path, const DcObservations& obs);
void write_r2(const std::string& path, const std::string& electrode_path, const DcObservations& obs);
void write_xyz(const std::string& path, const DcObservations& obs);
std::string bert_text(const DcObservations& obs);
std::string r2_text(const DcObservations& obs);
std::string r2_electrodes_text(const DcObservations& obs);
std::string xyz_text(const DcObservations& obs);

}  // namespace terrane
