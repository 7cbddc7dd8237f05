// SPDX-License-Identifier: MIT
#include "physics/travel_survey.hpp"

#include <cmath>
#include <cstdio>

#include "kernels/runtime/error.hpp"

namespace terrane {

std::string to_string(const Point3& p) {
  char text[96];
  if (p.y_m == 0) {
    std::snprintf(text, sizeof text, "(x %g m, z %g m)", p.x_m, p.z_m);
  } else {
    std::snprintf(text, sizeof text, "(x %g m, y %g m, z %g m)", p.x_m, p.y_m, p.z_m);
  }
  return text;
}

TravelSurvey TravelSurvey::full(const std::vector<Point3>& sources, const std::vector<Point3>& receivers) {
  TravelSurvey s{sources, receivers, {}};
  for (Index i = 0; i < static_cast<Index>(sources.size()); ++i) {
    for (Index j = 0; j < static_cast<Index>(receivers.size()); ++j) s.pairs.push_back({i, j});
  }
  return s;
}

void TravelSurvey::check() const {
  const auto finite = [](const std::vector<Point3>& points, const char* what) {
    for (std::size_t i = 0; i < points.size(); ++i) {
      const Point3& p = points[i];
      if (std::isfinite(p.x_m) && std::isfinite(p.y_m) && std::isfinite(p.z_m)) continue;
      throw Error(ErrorCode::data, std::string(what) + " " + std::to_string(i) + " has a position that is not a number",
                  "survey");
    }
  };
  finite(sources, "source");
  finite(receivers, "receiver");
  for (std::size_t p = 0; p < pairs.size(); ++p) {
    const bool ok = pairs[p].source >= 0 && pairs[p].source < static_cast<Index>(sources.size()) &&
                    pairs[p].receiver >= 0 && pairs[p].receiver < static_cast<Index>(receivers.size());
    if (ok) continue;
    throw Error(ErrorCode::data,
                "datum " + std::to_string(p) + " names source " + std::to_string(pairs[p].source) + " and receiver " +
                    std::to_string(pairs[p].receiver) + ", but there are " + std::to_string(sources.size()) + " and " +
                    std::to_string(receivers.size()),
                "survey");
  }
}

}  // namespace terrane
