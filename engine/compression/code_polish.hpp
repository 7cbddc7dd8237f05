// SPDX-License-Identifier: MIT
// Levenberg-Marquardt on the code of every model, from codes that a search has brought near:
//
//   phi(z) = mean_p (D_p(z) - t_p)^2 + penalty sum_k ((z_k - mean_k) / deviation_k)^2 / K
//   (J^T J / n + P + mu diag(J^T J / n + P)) d = -(J^T r / n + P (z - mean)),   P = penalty / K / deviation^2
//
// with D_p what the decoder makes of pixel p (ModelSet::samples). J (n, K): one forward-mode sweep a number of the
// code. A step that lowers phi is taken and mu divided by 5, another is not and mu times 5; phi never rises. The
// decoder is fixed. Reference: Marquardt, SIAM J. Appl. Math. 11 (1963).
#pragma once

#include "engine/compression/auto_decoder.hpp"
#include "engine/compression/auto_decoder_train.hpp"

namespace terrane {

struct CodePolish {
  Index iterations = 4;
  double damping = 1e-2;  // mu of the first step
  double penalty = 0;
};

// codes: (count, K), of the models in their order. Error{data} for other numbers and for models with NaN or infinity.
std::vector<float> polish_codes(Stream& s, const AutoDecoder& decoder, const ModelSet& models, std::vector<float> codes,
                                const CodePolish& polish);

}  // namespace terrane
