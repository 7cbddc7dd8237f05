// SPDX-License-Identifier: MIT
#include "engine/analyze_page.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "engine/figure.hpp"
#include "engine/io/file.hpp"
#include "engine/io/text.hpp"
#include "engine/report.hpp"
#include "engine/volume_figure.hpp"

namespace terrane {
namespace {

const Color paints[] = {{211, 73, 40},  {42, 120, 178}, {96, 140, 60},  {140, 90, 170},
                        {190, 150, 30}, {60, 160, 160}, {120, 120, 120}};
constexpr std::size_t paint_count = sizeof paints / sizeof paints[0];

LinePlot line_plot(const AnalysisPage::Plot& from) {
  LinePlot plot;
  double left = std::numeric_limits<double>::infinity(), right = 0, top = 0;
  for (std::size_t k = 0; k < from.curves.size(); ++k) {
    const auto& c = from.curves[k];
    plot.series.push_back({c.title, c.x, c.y, Paint::of(paints[k % paint_count]), 1.6, 0});
    for (const double x : c.x) right = std::max(right, x), left = x > 0 ? std::min(left, x) : left;
    for (const double y : c.y) top = std::max(top, y);
  }
  plot.title = from.title;
  plot.x = {from.x, from.log ? std::min(left, 0.1 * right) : 0, right > 0 ? right : 1, from.log && right > 0};
  plot.y = {from.y, 0, 1.1 * (top > 0 ? top : 1)};
  plot.legend = from.curves.size() > 1;
  return plot;
}

LinePlot spectrum_plot(const AnalysisPage& page) {
  LinePlot plot;
  // Values of two operators of different units are compared by their decay.
  const auto scale = [&](const std::vector<double>& v) { return page.normalised && v[0] > 0 ? 1 / v[0] : 1.0; };
  double lo = std::numeric_limits<double>::infinity(), hi = 0, longest = 2;
  for (std::size_t k = 0; k < page.spectra.size(); ++k) {
    const auto& values = page.spectra[k].values;
    Series s{page.spectra[k].title, {}, {}, Paint::of(paints[k % paint_count]), 1.8, 0};
    const double floor = values.empty() ? 0 : 1e-16 * values[0];
    for (std::size_t i = 0; i < values.size() && values[i] > floor; ++i) {
      s.x.push_back(static_cast<double>(i) + 1), s.y.push_back(scale(values) * values[i]);
      lo = std::min(lo, s.y.back()), hi = std::max(hi, s.y.back());
    }
    longest = std::max(longest, static_cast<double>(s.x.size()));
    plot.series.push_back(s);
  }
  if (!(hi > 0)) lo = 0.1, hi = 1;
  plot.title = "Spectrum";
  plot.x = {"Number", 1, longest, true};
  plot.y = {page.normalised ? "Part of the largest" : "Value", lo / 1.5, hi * 1.5, true};
  return plot;
}

// The spectrum first, then the plots, two in a row.
Figure plots_figure(const AnalysisPage& page) {
  std::vector<LinePlot> plots;
  const bool spectrum = !page.spectra.empty();
  if (spectrum) plots.push_back(spectrum_plot(page));
  for (const AnalysisPage::Plot& p : page.plots) plots.push_back(line_plot(p));
  constexpr double left = 74, gap = 90, height = 300, row = height + 76;
  const bool one = plots.size() == 1;
  const double width = one ? 760 : (page_width - left - 20 - gap) / 2;
  Drawing d(one ? left + width + 20 : page_width, row * static_cast<double>((plots.size() + 1) / 2));
  for (std::size_t k = 0; k < plots.size(); ++k) {
    const double x = left + static_cast<double>(k % 2) * (width + gap), y = 26 + static_cast<double>(k / 2) * row;
    draw_line_plot(d, {x, y, width, height}, plots[k]);
  }
  if (!spectrum) return {"curves.png", page.plots[0].title, "", d};
  return {"spectrum.png", "Spectrum",
          "Axes of the spectrum are logarithmic; values below 1e-16 of the largest are left out.", d};
}

double largest(const std::vector<float>& values) {
  double most = 0;
  for (const float v : values) most = std::max(most, std::fabs(static_cast<double>(v)));
  return most;
}

// Colours of an image: a symmetric scale of its own (signs and sizes of vectors are free), or parts in [0, 1].
ImagePanel look_of(const AnalysisPage::Image& image) {
  ImagePanel p;
  p.map = image.part ? Colormap::viridis : Colormap::diverging;
  if (!image.part) p.hi = std::max(largest(image.values), 1e-300), p.lo = -p.hi;
  return p;
}

constexpr std::size_t most_images = 16;
const char* const scale_text =
    "Red and blue: each panel has its own symmetric scale, the sign of a vector is free. Blue to yellow: 0 to 1.";

Figure images_figure(const AnalysisPage& page) {
  const auto n = static_cast<int>(std::min(page.images.size(), most_images));
  const Grid2 g = page.grid.section();
  const double x0 = g.x0_m - 0.5 * g.dx_m, x1 = g.x0_m + (static_cast<double>(g.nx) - 0.5) * g.dx_m;
  const double z0 = g.z0_m - 0.5 * g.dz_m, z1 = g.z0_m + (static_cast<double>(g.nz) - 0.5) * g.dz_m;
  const double aspect = std::clamp((z1 - z0) / (x1 - x0), 0.25, 1.6);
  const int across = aspect > 1.2 ? 4 : aspect < 0.5 ? 2 : 4, down = (n + across - 1) / across;
  const double left = 58, gap = 52, width = (page_width - left - 20 - gap * (across - 1)) / across;
  const double height = width * aspect, row = height + 70;
  Drawing d(page_width, down * row + 6);
  for (int k = 0; k < n; ++k) {
    const auto& image = page.images[static_cast<std::size_t>(k)];
    ImagePanel p = look_of(image);
    p.title = image.title;
    p.rows = g.nz, p.columns = g.nx;
    p.values = image.values.data();
    p.x = {"Distance (m)", x0, x1};
    p.y = {k % across == 0 ? "Depth (m)" : "", z0, z1};
    draw_image_panel(d, {left + (k % across) * (width + gap), 26 + (k / across) * row, width, height}, p);
  }
  return {"vectors.png", "Images", scale_text, d};
}

// A row of three slices for each.
Figure volumes_figure(const AnalysisPage& page) {
  const std::size_t n = std::min(page.images.size(), most_images);
  const Grid3& g = page.grid;
  constexpr double left = 62, top = 26;
  const auto view_of = [&](const AnalysisPage::Image& image) {
    const auto peak = std::max_element(image.values.begin(), image.values.end(),
                                       [](float a, float b) { return std::fabs(a) < std::fabs(b); });
    const Index node = image.through >= 0 ? image.through : static_cast<Index>(peak - image.values.begin());
    return VolumeView(g, g.place(node), page_width - left - 20, 240);
  };
  const VolumeView first = view_of(page.images[0]);
  const double row = first.height() + 74;
  Drawing d(left + first.width() + 20, static_cast<double>(n) * row + 6);
  for (std::size_t k = 0; k < n; ++k) {
    const auto& image = page.images[k];
    view_of(image).draw(d, left, top + static_cast<double>(k) * row, image.title, image.values, look_of(image));
  }
  return {"vectors.png", "Images",
          "Each in three slices that cross in its largest value, in the node of a point spread, or in the smallest "
          "ratio of deviations; lines show where. " +
              std::string(scale_text),
          d};
}

}  // namespace

void write_analysis_page(const std::string& directory, const AnalysisPage& page) {
  std::vector<Figure> figures;
  if (!page.spectra.empty() || !page.plots.empty()) figures.push_back(plots_figure(page));
  if (!page.images.empty()) figures.push_back(page.grid.flat() ? images_figure(page) : volumes_figure(page));
  make_directories(directory + "/figures");
  std::string body = "<h1>" + html_escape(page.title) + "</h1>\n";
  for (const Figure& f : figures) {
    write_png(directory + "/figures/" + f.file, f.drawing.raster(1.5));
    body += figure_html(f);
  }
  body += "<h2>Numbers</h2>\n<table>" + result_rows(page.result) + "</table>\n";
  write_file_atomic(directory + "/report.html", html_page(page.title, body));
}

}  // namespace terrane
