// SPDX-License-Identifier: MIT
#include "engine/compression/decoder_at.hpp"

#include <utility>

#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

const AutoDecoder& checked(const AutoDecoder& d) {
  check_decoder_shape(d.shape);
  require(static_cast<Index>(d.parameters.size()) == d.shape.parameters(), ErrorCode::failed,
          "decoder of another size");
  return d;
}

}  // namespace

DecoderAt::DecoderAt(Stream& s, const AutoDecoder& d, const std::vector<float>& coordinates)
    : s_(s),
      shape_(checked(d).shape),
      n_(static_cast<Index>(coordinates.size()) / shape_.dims),
      local_(shape_.local(1, n_)),
      op_(shape_.network(), 1, n_, shape_.shifted_layers()),
      parameters_(to_device(s, d.parameters)),
      x_(to_device(s, coordinates)),
      shifts_(s, shape_.shifts()),
      inputs_(s, shape_.cells > 0 ? local_.rows() * local_.columns() : 0),
      changes_(s, inputs_.size()),
      unit_(s, shape_.cells > 0 ? shape_.code : 0) {}

void DecoderAt::values(const float* z, float* y) {
  z_ = z;
  if (shape_.cells > 0) {
    local_code_forward(s_, LocalCodeForward<float>{local_, z, x_.data(), inputs_.data()});
    mlp_forward(s_, MlpForward<float>{shape_.network(), n_, parameters_.data(), inputs_.data(), y});
    return;
  }
  const Index m = shape_.shifts(), k = shape_.code;
  gemm(s_, Gemm<float>{1, m, k, z, k, false, modulation(), m, false, shifts_.data(), m});
  const float* in[] = {parameters_.data(), shifts_.data(), x_.data()};
  float* out[] = {y};
  y_ = y;
  saved_ = op_.forward(s_, in, out, std::move(saved_));
}

void DecoderAt::derivative(Index k, float* column) {
  require(z_ != nullptr, ErrorCode::failed, "derivatives of a decoder follow its values");
  if (shape_.cells > 0) {
    fill(s_, Fill<float>{unit_.data(), 0.0F, shape_.code});
    fill(s_, Fill<float>{unit_.data() + k, 1.0F, 1});
    local_code_jvp(s_, LocalCodeJvp<float>{local_, z_, x_.data(), unit_.data(), nullptr, changes_.data()});
    mlp_jvp(s_,
            MlpJvp<float>{shape_.network(), n_, parameters_.data(), inputs_.data(), nullptr, changes_.data(), column});
    return;
  }
  const float* in[] = {parameters_.data(), shifts_.data(), x_.data()};
  const float* tangent[] = {nullptr, modulation() + k * shape_.shifts(), nullptr};
  const float* out[] = {y_};
  float* columns[] = {column};
  op_.jvp(s_, saved_.get(), in, out, tangent, columns);
}

}  // namespace terrane
