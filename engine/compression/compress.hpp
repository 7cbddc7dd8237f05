// SPDX-License-Identifier: MIT
// Files of models to `.lat` and back: what the verbs compress and decompress do.
//
// Models are NPY arrays: (nz, nx), (n, nz, nx) or (n, 1, nz, nx) for planes; with a decoder of volumes (nz, ny, nx) or
// (n, nz, ny, nx). Values are kept as float32 in m/s. Without a decoder the lossless codec is used, with an error bound
// if one is given. With a decoder the models' codes are searched for; if the lossless file is not larger, it is written
// instead, unless the method says which of the two it has to be. A target tries codes of 2 to 10 bits and error bounds
// from 0 to 50 m/s: of the candidates that reach psnr_db (PSNR_full, mean over the models) the smallest file, or of
// those within bytes a model the best.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "engine/compression/code_encoder.hpp"
#include "engine/compression/code_polish.hpp"
#include "engine/compression/latent_file.hpp"

namespace terrane {

enum class CompressMethod { smallest, code, structured };
// "smallest", "code", "structured"; Error{config} for other words.
CompressMethod compress_method(const std::string& word);

struct CompressOptions {
  CompressMethod method = CompressMethod::smallest;  // code: needs a decoder; structured: the lossless codec
  double bound_mps = 0;                              // largest error of the lossless codec
  std::string decoder;                               // decoder.safetensors, or a directory that holds it; empty: none
  int bits = 8;                                      // of a number of a code
  Index samples = 1;                                 // codes: ModelSet::samples, 1 to most_pixel_samples
  CodeSearch search;
  CodePolish polish{.iterations = 0};  // after the search
  double target_psnr_db = 0;           // 0: none
  double target_bytes = 0;             // a model, of the file; 0: none
};

// Returns what was written: codec, count, shape, file_bytes, bytes_per_model, psnr_full_db, largest_error_mps; with a
// decoder decoder_bytes, apart; with a target every candidate (codec, bits or bound, bytes_per_model, psnr_full_db).
// Error{data} for arrays that are no models, Error{failed} if no candidate reaches the
// target.
nlohmann::ordered_json compress_file(Stream& s, const std::string& model, const std::string& out,
                                     const CompressOptions& options);

struct DecompressOptions {
  std::string decoder;            // as above; needed for codes
  std::array<Index, 3> extent{};  // (z, y, x) to decode codes at; zeros: as they were compressed
  Index samples = 0;              // of a pixel along every axis, up to most_pixel_samples; 0: as file_window says
};

// Writes (n, nz, nx) or (n, nz, ny, nx); without the first axis for one model. Codes that were found from means over
// pixels are decoded to means over pixels (file_window in code_file.hpp). Returns codec, count and shape.
nlohmann::ordered_json decompress_file(Stream& s, const std::string& file, const std::string& out,
                                       const DecompressOptions& options);

}  // namespace terrane
