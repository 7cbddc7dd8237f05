// SPDX-License-Identifier: MIT
// Gauss-Newton inversion on linear maps, for any parameters theta (cells of a grid, weights of a network):
//
//   phi(theta) = phi_d / 2 + beta phi_m,   phi_d = sum_i w_i^2 (d_i(theta) - d_obs_i)^2,  w = 1 / std,  chi2 = phi_d /
//   N phi_m = norms of m(theta)                                                             (engine/model_norms.hpp)
//   (J^T W^2 J + beta M^T H M) step = -J^T W^2 r - beta M^T g,    J = dd/dtheta, M = dm/dtheta
//
// With damping mu the system has mu 1 in addition (Levenberg). Without norms its step is
//   step = -J^T W (W J J^T W + mu)^-1 W r,   J J^T = J_m K J_m^T with K the tangent kernel of the field,
// the natural-gradient step in the space of the data. mu starts at `damping` x the largest eigenvalue of J^T W^2 J; it
// is divided by 3 after a full step that gained at least three quarters of what the quadratic model promised,
// multiplied by 2 for each halving of the step or a gain below a quarter, and by 8 when no step was found.
//
// The step is found by conjugate gradients with a Jacobi preconditioner, or with that of a Nystroem approximation of
// the system without mu (analysis/nystrom.hpp; it costs nystrom_rank products and is kept until the conjugate gradients
// take twice as many steps as at first, and 10 more), and shortened until phi decreases (Armijo). Bounds on m (m =
// theta only): parameters at a bound whose gradient points outward are frozen in the conjugate gradients, the path of
// the line search is projected (Bertsekas 1982). Trade-off: beta is given, or starts at `beta_ratio` x the ratio of the
// largest eigenvalues of J^T W^2 J and M^T H M (power iterations). It is divided by `beta_cooling` after every
// `beta_every` steps, the one that first reaches chi2
// <= target included, where the run stops or goes on (`hold`): there, whenever |1 - chi2/target| > target_tolerance,
// beta is multiplied by the mean of target/chi2 and 0.75 (chi2 too large) or 2 (too small). Norms below 2: fixed eps
// renews the weights after every step (the first step has weight 1 unless the start model is to be used); cooled eps
// keeps weight 1 until the target is reached, then starts eps from the model and divides it by `eps_cooling` before
// each renewal. Vectors of the conjugate gradients and all sums are host double in fixed order; only J and M act on the
// device, in precision T. The same seed, device and build give the same bits, also when restored from a state. Errors:
// Error{config} options, Error{data} std that are not positive, Error{diverged} a start that is not finite.
#pragma once

#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "analysis/kernels.hpp"
#include "analysis/nystrom.hpp"
#include "autodiff/tape.hpp"
#include "engine/model_norms.hpp"

namespace terrane {

// What is fitted. The maps are taken at the theta of the last forward().
template <class T>
struct LeastSquares {
  Stream* stream = nullptr;
  Index parameters = 0;
  // data (observed) and model (cells) at theta (parameters). May throw Error{diverged}: the trial step is shortened.
  std::function<void(const std::vector<double>& theta, std::vector<double>& data, std::vector<double>& model)> forward;
  LinearMap<T> data_map;   // J (data x parameters)
  LinearMap<T> model_map;  // M (cells x parameters); without `apply`: m = theta
  std::vector<double> observed;
  std::vector<double> std;  // > 0; infinite: the datum is left out
};

// The problem on a recorded tape, which must outlive it. model = theta: m = theta.
template <class T>
LeastSquares<T> least_squares(Tape<T>& tape, Var theta, Var data, Var model, std::vector<double> observed,
                              std::vector<double> std);

enum class EpsMode : int { fixed, cooled };
// Jacobi: the diagonal of the system. That of M^T H M is exact where m = theta, else from probes; that of J^T W^2 J is
// left out (norms), from random probes (one adjoint each) or exact (one adjoint a datum).
enum class Preconditioner : int { none, norms, probes, exact };

struct GaussNewtonOptions {
  double beta = 1;
  double beta_ratio = 0;  // > 0: instead of `beta`
  int power_iterations = 4;
  double damping = 0;  // mu at the start, part of the largest eigenvalue of J^T W^2 J; 0: none
  double beta_cooling = 1;
  int beta_every = 1;
  double target_chi2 = 0;  // 0: none
  double target_tolerance = 0.1;
  bool hold = false;  // go on after the target is reached
  EpsMode eps_mode = EpsMode::fixed;
  double eps_cooling = 1.2;
  bool weights_from_start = false;  // fixed eps: the start model makes the weights of the first step
  int iterations = 30;
  int held_iterations = 50;       // after the target
  double phi_m_tolerance = 0.01;  // hold: stop when phi_m changes by less and chi2 is within its tolerance
  double step_tolerance = 0;      // stop when |step| <= tolerance |theta|
  int cg_iterations = 400;
  double cg_tolerance = 1e-5;  // |residual| / |gradient|
  double cg_floor = 0;         // and never below this part of the largest gradient so far
  Preconditioner preconditioner = Preconditioner::probes;
  Index probes = 8;
  Index nystrom_rank = 0;  // > 0: instead of `preconditioner`; needs damping, and no bounds
  double lower = -std::numeric_limits<double>::infinity(), upper = std::numeric_limits<double>::infinity();
  bool linear = false;  // J and M do not depend on theta: the diagonal of J^T W^2 J is computed once
  int line_search_steps = 14;
  double armijo = 1e-4;
  std::uint64_t seed = 0;  // of power iterations and probes
};

enum class GnStop : int { none, target, converged, iterations, stalled };
const char* to_string(GnStop stop);

struct GnReport {
  Index iteration = 0;                             // from 1
  double phi_d = 0, chi2 = 0, phi_m = 0, phi = 0;  // after the step, with the beta and weights of the step
  double beta = 0, mu = 0;                         // of the step
  double gradient_norm = 0;                        // before the step, without frozen parameters
  double step_norm = 0, step_length = 0;           // of theta; part of the Gauss-Newton step
  int cg_iterations = 0, evaluations = 0;
  double cg_residual = 0;  // relative to the gradient
  Index frozen = 0;        // parameters at a bound
  bool held = false;       // the target had been reached before
  bool stalled = false;    // no decrease along the step
  GnStop stop = GnStop::none;
};

template <class T>
class GaussNewton {
 public:
  // theta: start (parameters); it is rounded to T, like the bounds, and moved into them.
  GaussNewton(LeastSquares<T> problem, ModelNorms norms, GaussNewtonOptions options, std::vector<double> theta);

  GnReport step();
  // Steps until a reason to stop; `each` sees every report.
  GnReport run(const std::function<void(const GnReport&)>& each = {});

  const std::vector<double>& theta() const { return theta_; }
  // At theta; evaluated when needed.
  const std::vector<double>& model();
  const std::vector<double>& data();
  double beta();
  const ModelNorms& norms() const { return norms_; }
  Index iteration() const { return iteration_; }

  // Named host arrays, bit-exact; restore throws Error{data} when they do not fit.
  std::map<std::string, std::vector<double>> state() const;
  void restore(const std::map<std::string, std::vector<double>>& state);

 private:
  using Vector = std::vector<double>;
  struct Device {  // staging of vectors at the maps
    Buffer<T> parameters, data, cells;
  };
  struct Direction {
    Vector step;
    int iterations = 0;
    double residual = 0;
  };
  void check() const;
  bool bounded() const;
  bool own_model() const { return static_cast<bool>(problem_.model_map.apply); }
  void prepare();
  void start();
  void evaluate(const Vector& theta, Vector& data, Vector& model);
  double data_misfit(const Vector& data) const;
  Vector gradient();
  void apply_data_normal(const Vector& v, Vector& out);        // J^T W^2 J v
  void apply_model_normal(const Vector& v, Vector& out);       // M^T H M v
  void apply_normal(const Vector& v, Vector& out, double mu);  // of the system with mu 1
  double largest_eigenvalue(bool data_part);
  Vector preconditioner();
  void approximate();  // nystrom_, where it is missing or has served its time
  std::vector<char> frozen(const Vector& g) const;
  Direction solve(const Vector& g, const std::vector<char>& mask);
  bool search(const Vector& g, const Direction& direction, double phi, GnReport& report);
  void control(GnReport& report);
  void hold(GnReport& report, bool first);
  void adapt_damping(const GnReport& report, double phi, double slope);

  LeastSquares<T> problem_;
  ModelNorms norms_;
  GaussNewtonOptions o_;
  Vector theta_, weights_;  // weights: 1 / std
  Index counted_ = 0;       // N
  double beta_ = 0, mu_ = 0, phi_m_last_ = 0, largest_gradient_ = 0;
  Index iteration_ = 0, held_ = 0, stalls_ = 0;  // held: steps since the target was reached, 0: not reached
  Vector diagonal_;                              // of J^T W^2 J, kept when linear
  NystromFactors nystrom_;
  int nystrom_first_ = 0, nystrom_last_ = 0;  // steps of the first and the last solution with it
  bool evaluated_ = false;                    // data_, model_ and the maps belong to theta_
  Vector data_, model_;
  Device device_;
};

}  // namespace terrane
