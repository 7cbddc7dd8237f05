// SPDX-License-Identifier: MIT
#include "engine/compression/compress_page.hpp"

#include <algorithm>
#include <cmath>

#include "engine/figure.hpp"
#include "engine/io/file.hpp"
#include "engine/io/png.hpp"
#include "engine/io/text.hpp"
#include "engine/report.hpp"

namespace terrane {
namespace {

constexpr double left = 74;

// Three rows: models, recovered, difference.
Figure models_figure(const CompressPage::Set& set, const std::array<double, 2>& range) {
  const Index n = set.models.points(), rows = set.models.extent[0], columns = set.models.extent[2];
  const int across = static_cast<int>(std::min<Index>(set.models.count(), 6));
  constexpr double gap = 14, bar = 90;
  const double width = (page_width - left - bar - gap * 5) / 6;
  const double height = width * std::clamp(static_cast<double>(rows) / static_cast<double>(columns), 0.25, 1.5);
  std::vector<float> difference(set.recovered.size());
  double largest = 1;
  for (std::size_t i = 0; i < difference.size(); ++i) {
    difference[i] = set.recovered[i] - set.models.values[i];
    largest = std::max(largest, std::fabs(static_cast<double>(difference[i])));
  }
  Drawing d(page_width, 3 * (height + gap) + 10);
  const char* const names[] = {"model", "decoded", "difference"};
  for (int r = 0; r < 3; ++r) {
    const double y = 4 + r * (height + gap);
    const float* values = r == 0 ? set.models.values.data() : r == 1 ? set.recovered.data() : difference.data();
    const Colormap map = r < 2 ? Colormap::viridis : Colormap::diverging;
    const double lo = r < 2 ? range[0] : -largest, hi = r < 2 ? range[1] : largest;
    d.text({left - 10, y + height / 2}, names[r], 12, Anchor::end);
    for (int k = 0; k < across; ++k) {
      d.image({left + k * (width + gap), y, width, height}, colorize(values + k * n, rows, columns, map, lo, hi),
              false);
    }
    draw_color_bar(d, {left + across * (width + gap), y, 12, height}, map, lo, hi, "m/s");
  }
  std::string file = set.name + ".png";
  std::replace(file.begin(), file.end(), ' ', '-');
  return {file, "Models: " + set.name, "The largest difference sets the scale of the last row.", d};
}

}  // namespace

void write_compress_page(const std::string& directory, const CompressPage& page) {
  std::vector<Figure> figures;
  for (const CompressPage::Set& set : page.sets) {
    if (set.models.extent[1] == 1 && set.models.count() > 0) figures.push_back(models_figure(set, page.range_mps));
  }
  make_directories(directory + "/figures");
  std::string body = "<h1>" + html_escape(page.title) + "</h1>\n" + page.loss_html;
  for (const Figure& f : figures) {
    write_png(directory + "/figures/" + f.file, f.drawing.raster(1.5));
    body += figure_html(f);
  }
  body += "<h2>Numbers</h2>\n<table>" + result_rows(page.result) + "</table>\n";
  write_file_atomic(directory + "/report.html", html_page(page.title, body));
}

}  // namespace terrane
