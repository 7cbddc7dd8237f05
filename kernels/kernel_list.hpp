// SPDX-License-Identifier: MIT
// The list of kernels: the only registration. One line a kernel: name, struct of its arguments (templated on the
// scalar). It generates the dispatchers and the function table of every back end.
#pragma once

#include "kernels/conv/attention.hpp"
#include "kernels/conv/conv2d.hpp"
#include "kernels/conv/group_norm.hpp"
#include "kernels/conv/spatial.hpp"
#include "kernels/encode/encode.hpp"
#include "kernels/encode/fusion.hpp"
#include "kernels/encode/local_code.hpp"
#include "kernels/encode/multigrid.hpp"
#include "kernels/encode/output_map.hpp"
#include "kernels/fft/fft.hpp"
#include "kernels/fit/analytic.hpp"
#include "kernels/fit/misfit.hpp"
#include "kernels/fit/optimize.hpp"
#include "kernels/fit/regularizer.hpp"
#include "kernels/geology/geology.hpp"
#include "kernels/linalg/gram.hpp"
#include "kernels/linalg/linalg.hpp"
#include "kernels/mlp/gabor.hpp"
#include "kernels/mlp/mlp.hpp"
#include "kernels/pointwise/pointwise.hpp"
#include "kernels/stencil/eikonal.hpp"
#include "kernels/stencil/poisson.hpp"
#include "kernels/stencil/ray.hpp"
#include "kernels/stencil/resample.hpp"
#include "kernels/stencil/sponge.hpp"
#include "kernels/stencil/wave.hpp"
#include "kernels/stencil/wave_model.hpp"

// clang-format off
#define TERRANE_KERNEL_LIST(X)                \
  X(fill,            Fill)                    \
  X(copy_values,     CopyValues)              \
  X(axpby,           Axpby)                   \
  X(dot,             Dot)                     \
  X(sum,             Sum)                     \
  X(gather,          Gather)                  \
  X(gather_adjoint,  GatherAdjoint)           \
  X(unary_forward,   UnaryForward)            \
  X(unary_chain,     UnaryChain)              \
  X(binary_forward,  BinaryForward)           \
  X(binary_chain,    BinaryChain)             \
  X(add_scaled,      AddScaled)               \
  X(count_bad,       CountBad)                \
  X(misfit_sum,      MisfitSum)               \
  X(misfit_gradient, MisfitGradient)          \
  X(misfit_tangent,  MisfitTangent)           \
  X(trace_products,  TraceProducts)           \
  X(correlation_sum, CorrelationSum)          \
  X(correlation_gradient, CorrelationGradient) \
  X(penalty_sum,     PenaltySum)              \
  X(penalty_gradient, PenaltyGradient)        \
  X(penalty_tangent, PenaltyTangent)          \
  X(adam_step,       AdamStep)                \
  X(momentum_step,   MomentumStep)            \
  X(square_sum,      SquareSum)               \
  X(begin_step,      BeginStep)               \
  X(adam_scheduled,  ScheduledAdam)           \
  X(momentum_scheduled, ScheduledMomentum)    \
  X(end_step,        EndStep)                 \
  X(running_mean,    RunningMean)             \
  X(clamp_values,    Clamp)                   \
  X(resize_rows,     ResizeRows)              \
  X(hilbert_bins,    HilbertBins)                \
  X(mlp_forward,     MlpForward)              \
  X(mlp_vjp,         MlpVjp)                  \
  X(mlp_jvp,         MlpJvp)                  \
  X(mlp_factors,     MlpFactors)              \
  X(grid_coordinates, GridCoordinates)        \
  X(fourier_forward, FourierForward)          \
  X(fourier_vjp,     FourierVjp)              \
  X(fourier_jvp,     FourierJvp)              \
  X(sparse_apply,    SparseApply)             \
  X(output_map_forward, OutputMapForward)     \
  X(output_map_chain, OutputMapChain)         \
  X(wave_forward,      WaveForward)           \
  X(wave_adjoint,      WaveAdjoint)           \
  X(wave_coefficient,  WaveCoefficient)       \
  X(wave_tangent_model, WaveTangentModel)     \
  X(wave_image_sum,    WaveImageSum)          \
  X(wave_frame_copy,   WaveFrameCopy)         \
  X(wave_model_gradient, WaveModelGradient)   \
  X(count_outside,     CountOutside)          \
  X(wave3_forward,     WaveForward)           \
  X(wave3_adjoint,     WaveAdjoint)           \
  X(resample_up,       ResampleUp)            \
  X(resample_down,     ResampleDown)          \
  X(sum_rows,          SumRows) \
  X(gemm,            Gemm)                    \
  X(svd,             Svd)                     \
  X(eigh,            Eigh)                    \
  X(gram_combine,    GramCombine)             \
  X(gram_links,      GramLinks)               \
  X(gram_mirror,     GramMirror)              \
  X(transpose,       TransposeCopy)           \
  X(qr,              Qr)                      \
  X(cholesky,        Cholesky)                \
  X(cholesky_solve,  CholeskySolve)           \
  X(fft,             Fft)                     \
  X(multigrid_forward, MultigridForward)      \
  X(multigrid_vjp,     MultigridVjp)          \
  X(multigrid_jvp,     MultigridJvp)          \
  X(multigrid_links,   MultigridLinks)        \
  X(gabor_forward,   GaborForward)            \
  X(gabor_vjp,       GaborVjp)                \
  X(gabor_jvp,       GaborJvp)                \
  X(gabor_factors,   GaborFactors)            \
  X(copy_columns,    CopyColumns)             \
  X(outer_product_forward, OuterProductForward) \
  X(outer_product_vjp, OuterProductVjp)       \
  X(outer_product_jvp, OuterProductJvp)       \
  X(expand_rows,     ExpandRows)              \
  X(local_code_forward, LocalCodeForward)     \
  X(local_code_vjp_code, LocalCodeVjpCode)    \
  X(local_code_vjp_point, LocalCodeVjpPoint)  \
  X(local_code_jvp,  LocalCodeJvp)            \
  X(ray_apply,       RayApply)                \
  X(ray_adjoint,     RayAdjoint)              \
  X(eikonal_model,   EikonalModel)            \
  X(eikonal_model_tangent, EikonalModelTangent) \
  X(eikonal_gradient, EikonalGradient)        \
  X(eikonal_start,   EikonalStart)            \
  X(eikonal_seed,    EikonalSeed)             \
  X(eikonal_solve,   EikonalSolve)            \
  X(eikonal_select,  EikonalSelect)           \
  X(eikonal_tangent, EikonalTangent)          \
  X(eikonal_adjoint, EikonalAdjoint)          \
  X(eikonal_record,  EikonalRecord)           \
  X(eikonal_inject,  EikonalInject)           \
  X(eikonal_times,   EikonalTimes)            \
  X(poisson_apply, PoissonApply) \
  X(poisson_smooth, PoissonSmooth) \
  X(poisson_residual, PoissonResidual) \
  X(poisson_restrict, PoissonRestrict) \
  X(poisson_prolong, PoissonProlong) \
  X(poisson_coarsest, PoissonCoarsest) \
  X(poisson_inject, PoissonInject) \
  X(poisson_sample, PoissonSample) \
  X(poisson_step, PoissonStep) \
  X(poisson_dots, PoissonDots) \
  X(poisson_direction, PoissonDirection) \
  X(poisson_combine, PoissonCombine) \
  X(poisson_gram, PoissonGram) \
  X(poisson_mix, PoissonMix) \
  X(poisson_products, PoissonProducts) \
  X(geology_scenes, GeologyScenes) \
  X(geology_render, GeologyRender) \
  X(sponge_damping, SpongeDamping) \
  X(sponge_damping_tangent, SpongeDampingTangent) \
  X(sponge_damping_vjp, SpongeDampingVjp) \
  X(sponge_forward, SpongeForward) \
  X(sponge_adjoint, SpongeAdjoint) \
  X(conv_forward, ConvForward) \
  X(conv_vjp_input, ConvVjpInput) \
  X(conv_vjp_weight, ConvVjpWeight) \
  X(norm_forward, NormForward) \
  X(norm_vjp, NormVjp) \
  X(norm_jvp, NormJvp) \
  X(attention_forward, AttentionForward) \
  X(attention_vjp, AttentionVjp) \
  X(attention_jvp, AttentionJvp) \
  X(upsample_forward, UpsampleForward) \
  X(upsample_vjp, UpsampleVjp) \
  X(add_rows, AddRows) \
  X(add_rows_vjp, AddRowsVjp) \
  X(normal_noise, NormalNoise)
// clang-format on
