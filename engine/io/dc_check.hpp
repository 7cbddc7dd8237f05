// SPDX-License-Identifier: MIT
// Quality of DC observations: which data cannot be used or should count less, reciprocal errors, error models.
//
// Reciprocal data exchange the current and the potential electrodes; over any ground both have the same V/I (apart from
// the sign when A and B, or M and N, are exchanged). Their difference estimates the noise: std of one datum is that of
// R - R_rec over sqrt(2) (LaBrecque et al., 1996, The effects of noise on Occam's inversion of resistivity tomography
// data: Geophysics 61, 538-548; linear model a + b |R| after Slater et al., 2000, Cross-hole electrical imaging of a
// controlled saline tracer injection: Journal of Applied Geophysics 44, 85-102).
#pragma once

#include <string>
#include <vector>

#include "engine/io/dc_data.hpp"

namespace terrane {

enum class DcProblem : int {
  repeated_electrode,    // one electrode in two places of a datum, or none for the current or the potential
  not_finite,            // the voltage
  no_factor,             // the geometric factor is zero, infinite or no number
  zero_resistivity,      // the apparent resistivity is zero
  wrong_sign,            // negative apparent resistivity
  outlying_resistivity,  // beyond the limits of the options
  no_std,                // the standard deviation is missing, zero or no number
  large_std,
  duplicate,   // of an earlier datum, with the same voltage
  repetition,  // of an earlier datum, with a voltage that differs by more than both errors and the limit allow
  reciprocal,  // differs from its reciprocal by more than the limit
};
const char* to_string(DcProblem problem);  // repeated-electrode, ...

struct DcCheckOptions {
  double largest_relative_std = 0.5;  // of |V|
  double reciprocal_limit = 0.1;      // of |R - R_rec| / mean |R|; for repetitions as well
  // Apparent resistivities (ohm m) beyond these, or further than a factor `outlier_factor` from the median, are
  // reported.
  double smallest_rhoa = 0, largest_rhoa = 1e9;
  double outlier_factor = 1e4;
  bool need_std = true;        // report data without standard deviation
  bool negative_rhoa = false;  // do not report them; electrodes in boreholes may measure some
};

struct DcIssue {
  Index datum = 0;  // from 0
  DcProblem problem = DcProblem::not_finite;
  bool remove = true;   // else: counts less, see applied()
  double std_volt = 0;  // to give it then: half of the difference from the other datum
  Index other = -1;     // the datum it repeats or that is its reciprocal
  std::string text;     // one sentence: datum, line of the file, reason
};

struct DcReciprocal {
  Index first = 0, second = 0;  // data, first < second
  double mean_volt = 0;         // of both, with the sign of `first`
  double difference_volt = 0;   // first - second
  double relative = 0;          // |difference| / |mean|
};

struct DcCheck {
  std::vector<DcIssue> issues;  // by datum, then by problem
  std::vector<DcReciprocal> reciprocals;
  double median_reciprocal = 0, largest_reciprocal = 0;  // relative; 0 without pairs
  std::vector<char> keep;                                // (datum) 0 where an issue says remove
  Index removed() const;
};

// Observations of chargeability alone are checked for their electrodes only.
DcCheck check_dc_data(const DcObservations& obs, const DcCheckOptions& options = {});
// Without the data to remove, and with larger errors where an issue says so.
DcObservations applied(const DcObservations& obs, const DcCheck& check);

// std = relative |V| + floor_volt, all data. Error{config} unless that is above 0 for each.
void set_errors(DcObservations& obs, double relative, double floor_volt);

// a (volt for 1 A) and b of std = a + b |V|, fitted to the reciprocal differences in `bins` classes of |V| of equally
// many pairs by least squares of relative misfits, a and b >= 0. Error{data} with fewer than 2 pairs a class.
struct DcErrorModel {
  double floor_volt = 0, relative = 0;
};
DcErrorModel reciprocal_error_model(const DcCheck& check, Index bins = 8);

}  // namespace terrane
