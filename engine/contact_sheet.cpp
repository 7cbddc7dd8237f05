// SPDX-License-Identifier: MIT
#include "engine/contact_sheet.hpp"

#include <algorithm>

#include "engine/figure.hpp"

namespace terrane {

Drawing contact_sheet(const std::vector<ContactRow>& rows) {
  constexpr double cell = 112, gap = 6, label = 110;
  Index most = 1;
  for (const ContactRow& r : rows) {
    const Index places = r.columns / r.rows, maps = static_cast<Index>(r.maps.size()) / (r.rows * r.columns);
    most = std::max(most, std::min(contact_columns, maps * places));
  }
  Drawing d(label + static_cast<double>(most) * (cell + gap), static_cast<double>(rows.size()) * (cell + gap) + gap);
  for (std::size_t k = 0; k < rows.size(); ++k) {
    const ContactRow& r = rows[k];
    const Index places = r.columns / r.rows, points = r.rows * r.columns;
    const double y = gap + static_cast<double>(k) * (cell + gap),
                 width = static_cast<double>(places) * (cell + gap) - gap;
    d.text({8, y + cell / 2}, r.name, 12);
    for (Index i = 0; (i + 1) * points <= static_cast<Index>(r.maps.size()) && (i + 1) * places <= most; ++i) {
      d.image({label + static_cast<double>(i * places) * (cell + gap), y, width, cell},
              colorize(r.maps.data() + i * points, r.rows, r.columns, Colormap::viridis, r.lo_mps, r.hi_mps), false);
    }
  }
  return d;
}

}  // namespace terrane
