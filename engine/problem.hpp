// SPDX-License-Identifier: MIT
// What a config describes, as values: grid, survey, options of the physics, models, observed data. Built once; the
// inversion and the simulation read it.
#pragma once

#include <string>
#include <vector>

#include "engine/config.hpp"
#include "engine/filter.hpp"
#include "engine/models.hpp"
#include "engine/property.hpp"
#include "kernels/runtime/log.hpp"
#include "kernels/runtime/stream.hpp"
#include "physics/eikonal/eikonal.hpp"
#include "physics/resistivity/resistivity.hpp"
#include "physics/resistivity/resistivity3d.hpp"
#include "physics/straight_ray/straight_ray.hpp"
#include "physics/survey3.hpp"
#include "physics/travel_survey.hpp"
#include "physics/wave/wave_plan.hpp"

namespace terrane {

enum class PhysicsType { acoustic, straight_ray, eikonal, dc_2d, dc_3d };

// Apparent chargeabilities beside voltages.
struct IpData {
  std::vector<double> value, std;  // (datum) in `unit`
  std::string unit;                // "" when the file does not say
  std::string source;              // the file
};

struct Problem {
  PhysicsType physics = PhysicsType::acoustic;
  const PropertyInfo* property = nullptr;
  Grid3 grid;  // ny = 1: two dimensions; nodes, or centres of the cells of straight rays and resistivity
  // Waves.
  Survey3 survey;               // y = 0 in two dimensions
  WaveOptions3 wave;            // without layers along y in two dimensions
  std::vector<double> wavelet;  // (nt), at survey.dt_s, before any band
  // Travel times.
  TravelSurvey travel;
  StraightRayOptions rays;
  EikonalOptions eikonal;
  // Resistivity.
  TensorMesh mesh;  // 2.5-D: the cells of the grid with their padding
  TensorMesh3 mesh3;
  DcSurvey dc;
  ResistivityOptions resistivity;
  Resistivity3dOptions resistivity3;
  IpData ip;  // empty: none

  std::vector<double> reference;          // another's result, shape of the grid; may be empty
  std::vector<double> true_model, start;  // shape of the grid, as the property holds it; may be empty
  std::vector<double> observed;           // (shots, receivers, nt) or (data); empty until read or simulated
  std::vector<double> mask;               // (shots, receivers) or as `observed`: weights; empty: 1
  std::vector<double> std;                // standard deviation of each datum; empty: not known
  std::string observed_source;            // "simulated in true_model ..." or the file
  std::vector<std::string> notes;         // what reading the data has changed, for the log

  bool waves() const { return physics == PhysicsType::acoustic; }
  bool travel_times() const { return physics == PhysicsType::straight_ray || physics == PhysicsType::eikonal; }
  bool voltages() const { return physics == PhysicsType::dc_2d || physics == PhysicsType::dc_3d; }
  bool cells() const { return physics == PhysicsType::straight_ray || voltages(); }
  Index shots() const { return waves() ? survey.shot_count() : 1; }  // what a batch is drawn from
  Index trace_samples() const { return waves() ? survey.nt : 1; }
  std::vector<Index> data_shape() const;
  std::vector<Point3> source_points() const;
  Quantity data_quantity() const;  // none: waves, whose unit is free
};

// Stated budget of the main memory, or on a GPU of its own, bytes; 0: none.
double memory_budget(const Config& config, DeviceKind device);

// Reads models, survey and wavelet; data files too, when `read_data`. Input errors are Error{data} with the file, setup
// errors Error{config}. device: whose memory budget wave fields and matrices obey.
Problem build_problem(const Config& config, bool read_data, const Device& device = {});

// --- survey_positions.cpp ---
// Positions of a resolved section, y = 0 in two dimensions. build_positions: Error{data} naming the first one outside
// the extent as `what`; y counts in three dimensions only.
struct Extent {
  double x0_m, x1_m, z0_m, z1_m, y0_m = 0, y1_m = 0;
};
std::vector<Point3> positions_of(const Json& section, const Grid3& grid);
std::vector<Point3> build_positions(const Json& section, const Grid3& grid, const Extent& extent, const char* what);

// What synthetic data are simulated in: the problem itself, or with "refine" and "order" of the data section the same
// survey over the true model, bilinear on a finer grid, with another stencil.
Problem observation_problem(const Config& config, const Problem& problem);

// Adds noise per the resolved section (null: none) and notes its standard deviation. Draws are keyed by (seed, sample
// index).
void add_noise(const Json& noise, std::uint64_t seed, Problem& problem);
void add_noise(const Json& noise, std::uint64_t seed, std::vector<double>& data);

// Mean over the data with weight of (mask (predicted - target) / std)^2; std 1 where it is not known. Against the
// observed data: chi2.
template <class T>
double mean_square_residual(const Problem& problem, const std::vector<T>& predicted, const std::vector<double>& target);

// Shots that an iteration draws: the whole survey unless batch_shots says less.
Index shots_per_iteration(const Config& config, const Problem& problem);
// Shots of one forward or gradient run at a time: those of an iteration, or its super-shots.
Index shots_per_batch(const Config& config, const Problem& problem);

// --- travel_problem.cpp ---
// Survey, options and data of a travel-time config, into `problem` (whose grid, property and models are set). Data are
// read always: they say which pairs there are.
void build_travel(const Config& config, Problem& problem, const Device& device);
// The resolved grid section for a file of picks: its sensors with a margin, about three nodes between neighbours.
Json grid_for_picks(const Json& config);

// --- dc_problem.cpp ---
// Electrodes, mesh, options and data of a resistivity config, into `problem` (whose grid, property and models are set).
void build_resistivity(const Config& config, Problem& problem);
DcProperty dc_property(const PropertyInfo& property);
// The resolved grid section for a file of observations: four cells between neighbouring electrodes, down to a third of
// the longest datum.
Json grid_for_electrodes(const Json& config);

// --- dc_volume.cpp ---
// The parts of build_resistivity for three dimensions: mesh and options, before the electrodes are known; then air
// above the surface, to which the electrodes move.
void build_dc_volume(const Json& physics, Problem& problem);
void drape_dc_volume(const Json& surface, const std::vector<Point3>& topography, Problem& problem);
// A grid section for electrodes in three dimensions: two cells between neighbours, down to a third of the longest
// datum.
Json grid_for_volume(const DcSurvey& survey, const std::string& path);

}  // namespace terrane
