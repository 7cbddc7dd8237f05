// SPDX-License-Identifier: MIT
// What surveys with one number a datum (travel times, voltages) read from the data section of a config. Private to the
// builders of a problem.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "engine/io/dc_data.hpp"
#include "engine/problem.hpp"
#include "engine/property.hpp"

namespace terrane {

// SI value of one "unit" of the section; 1 where none is given. Error{config} for a unit of something else.
double data_unit(const Json& data, Quantity quantity);

// problem.std: sqrt((relative |d|)^2 + floor^2) of the resolved section, or what the file says ("file", null).
void set_std(const Json& std, Quantity quantity, std::vector<double> from_file, const std::string& path,
             Problem& problem);

// problem.mask, one weight from 0 to 1 a datum.
void read_mask(const Json& data, Problem& problem);

// Surface of the ground as (x, z down), x rising: the resolved section, or a line through the sensors ("sensors").
std::vector<std::pair<double, double>> surface_line(const Json& surface, const std::vector<Point3>& sensors);
// Depth of the line at x, level beyond its ends.
double depth_of(const std::vector<std::pair<double, double>>& line, double x);

// Distance of each point to its nearest neighbour, without those at one place; median. Error{data} when all lie at one
// place.
double median_spacing(const std::vector<Point3>& points, const std::string& path);

// Keys of resistivity that do not depend on the dimensions: property, values of the padding, singularity.
template <class Options>
void set_dc_options(const Json& physics, const Problem& problem, Options& o) {
  o.property = dc_property(*problem.property);
  const PropertyValue outside = property_value(physics.at("padding"), "value");
  if (outside.quantity != Quantity::none) {
    o.padding = DcPadding::frozen;
    o.padding_siemens_per_m = convert_property(outside.value, outside.quantity, Quantity::conductivity);
  }
  o.remove_singularity = physics.at("remove_singularity");
}
// Puts electrodes onto the stepped ground of the cells, as deep below it as they lie below the surface (z down); a note
// tells how far they moved.
using HeightAt = std::function<double(const Point3& place)>;
void drape_electrodes(const HeightAt& ground_z_m, const HeightAt& surface_z_m, Problem& problem);

// Ohm m, of the data with a positive one; Error{data} when there is none. (dc_problem.cpp)
double median_apparent_resistivity(const DcObservations& obs);

// Rounded to so many digits, so that it can be quoted.
double in_quotes(double value, int digits = 2);

}  // namespace terrane
