// SPDX-License-Identifier: MIT
// How far two samples of feature vectors are from one distribution. x: real, g: generated.
//
//   MMD^2 = mean_{i != j} k(x_i, x_j) + mean_{i != j} k(g_i, g_j) - 2 mean_{ij} k(x_i, g_j)      (unbiased)
//     k(a, b) = mean over s in {1/4, 1/2, 1, 2, 4} of exp(-|a - b|^2 / (2 (s w)^2)), w the median distance in both sets
//     deviation and p from random re-labellings of the pooled sample
//   Frechet = |m_x - m_g|^2 + tr(S_x + S_g - 2 (S_x^1/2 S_g S_x^1/2)^1/2); biased upwards by about 1/n
//   PRDC, radius r_i of x_i: distance to its k-th neighbour in x (of g alike for recall):
//     precision: share of g inside some ball of x; recall: share of x inside some ball of g;
//     density: mean number of balls of x around a g, over k; coverage: share of balls of x that hold a g
//   C2ST: area under the ROC curve of a classifier of x against g on held-out halves; 1/2: indistinguishable
// A figure means nothing without its floor: the same for two real samples of the same sizes.
// References: Gretton et al., JMLR 13 (2012); Heusel et al., NeurIPS 2017; Naeem et al., ICML 2020; Lopez-Paz, Oquab,
// ICLR 2017.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/evaluation/moments.hpp"

namespace terrane {

// Squared distances between all rows, (a rows, b rows). Error{data} for different columns.
std::vector<double> squared_distances(Stream& s, const Features& a, const Features& b);

struct MmdResult {
  double value = 0;
  double deviation = 0;  // of the value under re-labelling
  double p = 1;          // share of re-labellings with at least this value
};
// At least two rows each.
MmdResult mmd(Stream& s, const Features& x, const Features& g, Index relabellings, std::uint64_t seed);

double frechet_distance(Stream& s, const Features& x, const Features& g);

struct Prdc {
  double precision = 0, recall = 0, density = 0, coverage = 0;
};
// More than k rows each.
Prdc prdc(Stream& s, const Features& x, const Features& g, Index k = 5);

// Logistic regression on the features and their squares, each of unit deviation, with a small ridge, fitted on the even
// rows and judged on the odd ones.
double classifier_auc(Stream& s, const Features& x, const Features& g);

// Area under the ROC curve of scores of negatives and positives; ties count half.
double roc_area(std::vector<double> negative, std::vector<double> positive);

}  // namespace terrane
