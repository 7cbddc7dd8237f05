// SPDX-License-Identifier: MIT
// Interfaces and faults of velocity maps (count, height, width) in m/s, found in the pixels alone.
//
//   interface  depth z(x) of the first step above 25 m/s of every column; maps with a column without one are left out.
//              Its power at 1, 2, ... cycles over the width, |sum_x (z - mean) exp(-2 pi i k x / width)|^2, as shares
//              of their sum, up to half a cycle a pixel; what is flat to a pixel has none
//   fault      a straight line x = x_0 + (z - height / 2) cot(dip) through the largest lateral step of the rows, if it
//              is above 25 m/s: the line of two such points (of about 64 of them) that has most of the others
//              within 1.5 pixels, fitted to these. A map has a fault when at least half of the points, 8 and an eighth
//              of the rows lie on it, and the steps on it stand over at least a quarter of the rows
//   throw      s >= 0 (pixels, at most a fifth of the height) for which v two pixels to the left of the line and v two
//              pixels to the right, moved by s up or down, differ the least in the mean
#pragma once

#include <vector>

#include "engine/compression/auto_decoder_train.hpp"

namespace terrane {

struct Fault {
  bool found = false;
  double x0 = 0;           // at mid-depth, pixels
  double dip_degrees = 0;  // 0 to 90, against the horizontal
  double lean = 0;         // -1, 1: x falls, rises with depth along the line
  Index throw_px = -1;     // -1: no shift brings half of the rows beside each other
};
// v (height, width) in m/s.
Fault find_fault(const float* v, Index height, Index width);

struct MapGeometry {
  Index faults = 0, throws = 0, interfaces = 0;  // maps that count below
  double fault_share = 0;                        // of the maps
  std::vector<double> dip;                       // shares of the faults in bins of 10 degrees
  std::vector<double> throw_px;                  // shares of the throws of 0, 1, 2, ... pixels
  double interface_share = 0;                    // of the maps: with an interface in every column that is not flat
  std::vector<double> interface_power;           // shares at 1 .. 8 cycles, mean over these maps
  double interface_range_px = 0;                 // highest to lowest point, median over these maps
};
// Error{data} without maps, or for volumes.
MapGeometry map_geometry(const ModelSet& maps);

}  // namespace terrane
