// SPDX-License-Identifier: MIT
#include "physics/wave/point_lists.hpp"

#include <algorithm>
#include <map>

namespace terrane {
namespace {

// Lists of all distinct sets of positions, one after another.
struct HostLists {
  std::vector<Index> start{0}, cell, touch_cell, touch_start{0}, touch_location;
  std::vector<double> weight, touch_weight;
  struct Range {
    Index first, count, touch_first, touch_count;
  };

  Range add(const std::vector<std::vector<CellWeight>>& locations) {
    Range range{static_cast<Index>(start.size()) - 1, static_cast<Index>(locations.size()),
                static_cast<Index>(touch_cell.size()), 0};
    std::map<Index, std::vector<std::pair<Index, double>>> touched;  // cell -> (location, weight), both ascending
    for (std::size_t l = 0; l < locations.size(); ++l) {
      for (const CellWeight& node : locations[l]) {
        cell.push_back(node.cell);
        weight.push_back(node.weight);
        touched[node.cell].emplace_back(static_cast<Index>(l), node.weight);
      }
      start.push_back(static_cast<Index>(cell.size()));
    }
    for (const auto& [at, entries] : touched) {
      touch_cell.push_back(at);
      for (const auto& [location, value] : entries) {
        touch_location.push_back(location);
        touch_weight.push_back(value);
      }
      touch_start.push_back(static_cast<Index>(touch_location.size()));
    }
    range.touch_count = static_cast<Index>(touch_cell.size()) - range.touch_first;
    return range;
  }
};

Index append(std::vector<Index>& all, const std::vector<Index>& part) {
  const auto at = static_cast<Index>(all.size());
  all.insert(all.end(), part.begin(), part.end());
  return at;
}

}  // namespace

template <class T>
PointLists<T>::PointLists(Stream& s, const PointNodes& lists_of_nodes, const std::vector<std::size_t>& of_shot) {
  HostLists lists;
  std::vector<HostLists::Range> ranges;
  for (const auto& locations : lists_of_nodes) ranges.push_back(lists.add(locations));
  std::vector<Index> first, count, touch_first, touch_count;
  for (const std::size_t which : of_shot) {
    const HostLists::Range& range = ranges[which];
    first.push_back(range.first);
    count.push_back(range.count);
    touch_first.push_back(range.touch_first);
    touch_count.push_back(range.touch_count);
    points_.per_shot = std::max(points_.per_shot, range.count);
    points_.most_touched = std::max(points_.most_touched, range.touch_count);
  }
  std::vector<Index> all;
  const Index at[] = {append(all, first),
                      append(all, count),
                      append(all, lists.start),
                      append(all, lists.cell),
                      append(all, touch_first),
                      append(all, touch_count),
                      append(all, lists.touch_cell),
                      append(all, lists.touch_start),
                      append(all, lists.touch_location)};
  std::vector<T> weights;
  for (const double w : lists.weight) weights.push_back(static_cast<T>(w));
  const auto touch_weights = static_cast<Index>(weights.size());
  for (const double w : lists.touch_weight) weights.push_back(static_cast<T>(w));
  indices_ = to_device(s, all);
  weights_ = to_device(s, weights);
  const Index* base = indices_.data();
  points_.first = base + at[0];
  points_.count = base + at[1];
  points_.start = base + at[2];
  points_.cell = base + at[3];
  points_.weight = weights_.data();
  points_.touch_first = base + at[4];
  points_.touch_count = base + at[5];
  points_.touch_cell = base + at[6];
  points_.touch_start = base + at[7];
  points_.touch_location = base + at[8];
  points_.touch_weight = weights_.data() + touch_weights;
}

template class PointLists<float>;
template class PointLists<double>;

}  // namespace terrane
