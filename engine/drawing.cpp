// SPDX-License-Identifier: MIT
#include "engine/drawing.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "engine/font.hpp"
#include "engine/io/text.hpp"

namespace terrane {
namespace {

constexpr Color ink_on_white{34, 36, 40};
constexpr double cap_per_size = 0.70;  // cap height of a text of size 1

std::string number(double x) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.2f", x);
  std::string text = buffer;
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text == "-0" ? "0" : text;
}

std::string color_text(const Paint& p) {
  if (p.ink) return "currentColor";
  char buffer[8];
  std::snprintf(buffer, sizeof buffer, "#%02x%02x%02x", static_cast<unsigned>(p.color.r),
                static_cast<unsigned>(p.color.g), static_cast<unsigned>(p.color.b));
  return buffer;
}

std::string opacity_text(const Paint& p, const char* attribute) {
  return p.opacity >= 1 ? "" : std::string(" ") + attribute + "=\"" + number(p.opacity) + "\"";
}

bool finite(const Point& p) { return std::isfinite(p.x) && std::isfinite(p.y); }

// Cuts a polyline into dashes of length `dash` with gaps of the same length.
std::vector<std::vector<Point>> dashes(const std::vector<Point>& points, double dash) {
  std::vector<std::vector<Point>> out;
  bool on = true;
  double left = dash;
  std::vector<Point> current{points.front()};
  for (std::size_t i = 1; i < points.size(); ++i) {
    Point a = points[i - 1];
    const Point b = points[i];
    double length = std::hypot(b.x - a.x, b.y - a.y);
    while (length > left) {
      const double t = left / length;
      a = {a.x + t * (b.x - a.x), a.y + t * (b.y - a.y)};
      length -= left;
      current.push_back(a);
      if (on) out.push_back(current);
      current = {a};
      on = !on;
      left = dash;
    }
    left -= length;
    current.push_back(b);
  }
  if (on && current.size() > 1) out.push_back(current);
  return out;
}

class Painter {
 public:
  Painter(Image& image, double scale) : image_(image), scale_(scale) {}

  void blend(Index row, Index column, const Paint& p, double coverage) {
    if (row < 0 || column < 0 || row >= image_.height || column >= image_.width) return;
    const Color c = p.ink ? ink_on_white : p.color;
    const double a = std::clamp(coverage, 0.0, 1.0) * p.opacity;
    std::uint8_t* pixel = image_.at(row, column);
    const std::uint8_t from[3] = {c.r, c.g, c.b};
    for (int k = 0; k < 3; ++k) {
      pixel[k] = static_cast<std::uint8_t>(std::lround((1 - a) * pixel[k] + a * from[k]));
    }
  }

  // One anti-aliased polyline; coverage is the largest of its segments, so joints are not painted twice.
  void stroke(const std::vector<Point>& points, const Paint& paint, double width) {
    const double half = std::max(width * scale_, 1.0) / 2;
    double x0 = 1e9, x1 = -1e9, y0 = 1e9, y1 = -1e9;
    for (const Point& p : points) {
      x0 = std::min(x0, p.x * scale_);
      x1 = std::max(x1, p.x * scale_);
      y0 = std::min(y0, p.y * scale_);
      y1 = std::max(y1, p.y * scale_);
    }
    const Index c0 = clip(x0 - half - 1, image_.width), c1 = clip(x1 + half + 2, image_.width);
    const Index r0 = clip(y0 - half - 1, image_.height), r1 = clip(y1 + half + 2, image_.height);
    if (c1 <= c0 || r1 <= r0) return;
    std::vector<float> coverage(static_cast<std::size_t>((c1 - c0) * (r1 - r0)), 0.0f);
    for (std::size_t i = 0; i < points.size(); ++i) {
      const Point a = points[i == 0 ? 0 : i - 1], b = points[i];
      if (i == 0 && points.size() > 1) continue;
      const double ax = a.x * scale_, ay = a.y * scale_, dx = b.x * scale_ - ax, dy = b.y * scale_ - ay;
      const double length2 = dx * dx + dy * dy;
      const Index sr0 = std::max(r0, clip(std::min(ay, ay + dy) - half - 1, image_.height));
      const Index sr1 = std::min(r1, clip(std::max(ay, ay + dy) + half + 2, image_.height));
      const Index sc0 = std::max(c0, clip(std::min(ax, ax + dx) - half - 1, image_.width));
      const Index sc1 = std::min(c1, clip(std::max(ax, ax + dx) + half + 2, image_.width));
      for (Index r = sr0; r < sr1; ++r) {
        for (Index c = sc0; c < sc1; ++c) {
          const double px = static_cast<double>(c) + 0.5 - ax, py = static_cast<double>(r) + 0.5 - ay;
          const double t = length2 > 0 ? std::clamp((px * dx + py * dy) / length2, 0.0, 1.0) : 0.0;
          const double distance = std::hypot(px - t * dx, py - t * dy);
          float& cell = coverage[static_cast<std::size_t>((r - r0) * (c1 - c0) + c - c0)];
          cell = std::max(cell, static_cast<float>(std::clamp(half + 0.5 - distance, 0.0, 1.0)));
        }
      }
    }
    for (Index r = r0; r < r1; ++r) {
      for (Index c = c0; c < c1; ++c) {
        const float w = coverage[static_cast<std::size_t>((r - r0) * (c1 - c0) + c - c0)];
        if (w > 0) blend(r, c, paint, static_cast<double>(w));
      }
    }
  }

  void fill(const Rect& rect, const Paint& paint) {
    for (Index r = clip(rect.y * scale_, image_.height); r < clip(rect.bottom() * scale_, image_.height); ++r) {
      for (Index c = clip(rect.x * scale_, image_.width); c < clip(rect.right() * scale_, image_.width); ++c) {
        blend(r, c, paint, 1);
      }
    }
  }

  void picture(const Rect& rect, const Image& from, bool smooth) {
    const Index r0 = clip(rect.y * scale_, image_.height), r1 = clip(rect.bottom() * scale_, image_.height);
    const Index c0 = clip(rect.x * scale_, image_.width), c1 = clip(rect.right() * scale_, image_.width);
    for (Index r = r0; r < r1; ++r) {
      for (Index c = c0; c < c1; ++c) {
        const double v = (static_cast<double>(r) + 0.5 - rect.y * scale_) / (rect.height * scale_);
        const double u = (static_cast<double>(c) + 0.5 - rect.x * scale_) / (rect.width * scale_);
        sample(from, v, u, smooth, image_.at(r, c));
      }
    }
  }

 private:
  static Index clip(double x, Index limit) { return std::clamp<Index>(static_cast<Index>(std::lround(x)), 0, limit); }
  static void sample(const Image& from, double v, double u, bool smooth, std::uint8_t* out) {
    const double y = v * static_cast<double>(from.height), x = u * static_cast<double>(from.width);
    if (!smooth) {
      const std::uint8_t* p = from.at(std::clamp<Index>(static_cast<Index>(y), 0, from.height - 1),
                                      std::clamp<Index>(static_cast<Index>(x), 0, from.width - 1));
      std::copy(p, p + 3, out);
      return;
    }
    const double ys = std::clamp(y - 0.5, 0.0, static_cast<double>(from.height - 1));
    const double xs = std::clamp(x - 0.5, 0.0, static_cast<double>(from.width - 1));
    const auto r = static_cast<Index>(ys), c = static_cast<Index>(xs);
    const Index r2 = std::min(r + 1, from.height - 1), c2 = std::min(c + 1, from.width - 1);
    const double wy = ys - static_cast<double>(r), wx = xs - static_cast<double>(c);
    for (int k = 0; k < 3; ++k) {
      const double value = (1 - wy) * ((1 - wx) * from.at(r, c)[k] + wx * from.at(r, c2)[k]) +
                           wy * ((1 - wx) * from.at(r2, c)[k] + wx * from.at(r2, c2)[k]);
      out[k] = static_cast<std::uint8_t>(std::lround(value));
    }
  }
  Image& image_;
  double scale_;
};

}  // namespace

void Drawing::line(std::vector<Point> points, Paint paint, double stroke_width, double dash) {
  std::vector<Point> run;
  const auto flush = [&] {
    if (!run.empty()) items_.emplace_back(Line{run, paint, stroke_width, dash});
    run.clear();
  };
  for (const Point& p : points) {
    if (finite(p)) {
      run.push_back(p);
    } else {
      flush();
    }
  }
  flush();
}

void Drawing::frame(const Rect& r, Paint paint, double stroke_width) {
  line({{r.x, r.y}, {r.right(), r.y}, {r.right(), r.bottom()}, {r.x, r.bottom()}, {r.x, r.y}}, paint, stroke_width);
}

void Drawing::fill(const Rect& r, Paint paint) { items_.emplace_back(Fill{r, paint}); }

void Drawing::text(Point at, std::string_view utf8, double size, Anchor anchor, bool vertical, bool bold, Paint paint) {
  items_.emplace_back(Text{at, std::string(utf8), size, anchor, vertical, bold, paint});
}

void Drawing::image(const Rect& r, Image pixels, bool smooth) {
  items_.emplace_back(Picture{r, std::move(pixels), smooth});
}

std::string Drawing::svg(std::string_view title) const {
  std::string out = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + number(width_) + " " +
                    number(height_) + "\" width=\"" + number(width_) + "\" role=\"img\"><title>" + html_escape(title) +
                    "</title>\n";
  const auto box = [](const Rect& r) {
    return "x=\"" + number(r.x) + "\" y=\"" + number(r.y) + "\" width=\"" + number(r.width) + "\" height=\"" +
           number(r.height) + "\"";
  };
  for (const auto& item : items_) {
    if (const auto* l = std::get_if<Line>(&item)) {
      out += "<polyline fill=\"none\" stroke=\"" + color_text(l->paint) + "\" stroke-width=\"" +
             number(l->stroke_width) + "\" stroke-linejoin=\"round\"" + opacity_text(l->paint, "stroke-opacity");
      if (l->dash > 0) out += " stroke-dasharray=\"" + number(l->dash) + "\"";
      out += " points=\"";
      for (const Point& p : l->points) out += number(p.x) + "," + number(p.y) + " ";
      out += "\"/>\n";
    } else if (const auto* f = std::get_if<Fill>(&item)) {
      out += "<rect " + box(f->rect) + " fill=\"" + color_text(f->paint) + "\"" +
             opacity_text(f->paint, "fill-opacity") + "/>\n";
    } else if (const auto* t = std::get_if<Text>(&item)) {
      static constexpr const char* anchors[] = {"start", "middle", "end"};
      out += "<text fill=\"" + color_text(t->paint) + "\"" + opacity_text(t->paint, "fill-opacity") + " font-size=\"" +
             number(t->size) + "\" text-anchor=\"" + anchors[static_cast<int>(t->anchor)] + "\"" +
             (t->bold ? " font-weight=\"600\"" : "") + " transform=\"translate(" + number(t->at.x) + " " +
             number(t->at.y) + ")" + (t->vertical ? " rotate(-90)" : "") + "\">" + html_escape(t->text) + "</text>\n";
    } else if (const auto* p = std::get_if<Picture>(&item)) {
      out += "<image " + box(p->rect) + " preserveAspectRatio=\"none\"" +
             (p->smooth ? "" : " style=\"image-rendering:pixelated\"") + " href=\"data:image/png;base64," +
             base64(encode_png(p->pixels)) + "\"/>\n";
    }
  }
  return out + "</svg>\n";
}

Image Drawing::raster(double scale) const {
  Image image(static_cast<Index>(std::ceil(height_ * scale)), static_cast<Index>(std::ceil(width_ * scale)));
  Painter painter(image, scale);
  for (const auto& item : items_) {
    if (const auto* l = std::get_if<Line>(&item)) {
      if (l->dash > 0) {
        for (const auto& piece : dashes(l->points, l->dash)) painter.stroke(piece, l->paint, l->stroke_width);
      } else {
        painter.stroke(l->points, l->paint, l->stroke_width);
      }
    } else if (const auto* f = std::get_if<Fill>(&item)) {
      painter.fill(f->rect, f->paint);
    } else if (const auto* p = std::get_if<Picture>(&item)) {
      painter.picture(p->rect, p->pixels, p->smooth);
    } else if (const auto* t = std::get_if<Text>(&item)) {
      const std::vector<Glyph> line = glyphs_of(t->text);
      const double unit = t->size * cap_per_size / font_cap_height;
      double pen = -text_width(line) * unit * (t->anchor == Anchor::start ? 0 : t->anchor == Anchor::middle ? 0.5 : 1);
      for (const Glyph& glyph : line) {
        for (const Stroke& stroke : glyph.strokes) {
          std::vector<Point> points;
          for (const auto& [gx, gy] : stroke) {
            const double u = pen + gx * unit, v = (gy - font_cap_height) * unit;
            points.push_back(t->vertical ? Point{t->at.x + v, t->at.y - u} : Point{t->at.x + u, t->at.y + v});
          }
          painter.stroke(points, t->paint, t->size * (t->bold ? 0.125 : 0.085));
        }
        pen += (glyph.width + font_space) * unit;
      }
    }
  }
  return image;
}

}  // namespace terrane
