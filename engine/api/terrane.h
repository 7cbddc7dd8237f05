/* SPDX-License-Identifier: MIT */
/* C interface of terrane: forward modelling, gradients, and whole runs, from any language that can call C.
 *
 * Equation: p_tt / vp^2 - laplacian p = s(t) delta(x - x_s). A model is vp in m/s at the nodes of the grid, (nz, nx),
 * z down, x fastest. Data are (shot, receiver, time), time fastest. Arrays are the caller's, contiguous, float, in
 * host memory. Lengths in metres, times in seconds.
 *
 * Every function that can fail returns a status; 0 is success, the others are the exit codes of the command line. The
 * message of the last failure in the calling thread is terrane_last_error(). No function ends the process, throws, or
 * keeps state outside its handle. A handle may be used by one thread at a time; different handles by different
 * threads at the same time.
 *
 * Structures begin with their size: set every byte to zero, then size = sizeof(the structure). A later version may
 * append members; zero always means the default. */
#ifndef TERRANE_H
#define TERRANE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum terrane_status {
  TERRANE_OK = 0,
  TERRANE_FAILED = 1,       /* the run failed, or a bad argument */
  TERRANE_CONFIG = 2,       /* usage or configuration; nothing was computed */
  TERRANE_DATA = 3,         /* input unreadable, inconsistent or outside the grid */
  TERRANE_BUDGET = 4,       /* beyond the memory or disk budget */
  TERRANE_DEVICE = 5,       /* no usable device */
  TERRANE_DIVERGED = 6,     /* NaN, infinite or unbounded growth */
  TERRANE_STOPPED = 75,     /* stopped on request, a checkpoint was written */
  TERRANE_INTERRUPTED = 130 /* Ctrl-C; only runs of the command line return it */
} terrane_status;

/* Changes when a binary that was compiled against an older header would no longer work. */
int terrane_abi_version(void);
/* "0.1.0" */
const char* terrane_version(void);
/* Message of the last failed call in this thread, empty before the first; valid until the next failure in it. */
const char* terrane_last_error(void);

typedef enum terrane_log_level {
  TERRANE_LOG_DEFAULT = 0, /* warnings and errors */
  TERRANE_LOG_ERROR = 1,
  TERRANE_LOG_WARNING = 2,
  TERRANE_LOG_INFO = 3,
  TERRANE_LOG_DEBUG = 4
} terrane_log_level;

/* Receives one line. May be called from the thread that called terrane only; must not throw or jump out. */
typedef void (*terrane_log_callback)(int level, const char* line, void* user);

/* ---- forward operator: model -> data ----------------------------------------------------------------------------- */

typedef struct terrane_forward terrane_forward;

typedef struct terrane_forward_options {
  size_t size;
  const char* device; /* "cpu", "cuda:0", ...; NULL: what the config says */
  int threads;        /* 0: what the config says, else the cores of this process */
  int log_level;      /* terrane_log_level */
  terrane_log_callback log;
  void* log_user;
  void* cuda_stream; /* a cudaStream_t to work on; NULL: one of its own. Only with a cuda device */
} terrane_forward_options;

typedef struct terrane_forward_info {
  size_t size;
  int64_t nz, nx;           /* model: nz * nx values */
  int64_t shots, receivers; /* data: shots * receivers * samples values */
  int64_t samples;
  int64_t substeps; /* steps of the solver per sample */
  double dz_m, dx_m, dt_s;
  double vmax_mps;      /* largest velocity that a model may hold */
  int64_t memory_bytes; /* on the device, beside model, data and gradient */
} terrane_forward_info;

/* Reads grid, physics and survey of a config (any task; the other sections are not needed). Where the config has no
 * model, physics.vmax_mps must be there. options may be NULL. *handle is NULL on failure. */
terrane_status terrane_forward_open(const char* config_path, const terrane_forward_options* options,
                                    terrane_forward** handle);
/* The same from the text of a config; relative paths in it are relative to the current directory. */
terrane_status terrane_forward_parse(const char* config_text, const terrane_forward_options* options,
                                     terrane_forward** handle);
/* NULL is allowed. */
void terrane_forward_close(terrane_forward* handle);

terrane_status terrane_forward_get_info(const terrane_forward* handle, terrane_forward_info* info);

/* data = F(model) */
terrane_status terrane_forward_apply(terrane_forward* handle, const float* model, float* data);
/* t_data = (dF/dmodel) t_model, at `model`. */
terrane_status terrane_forward_jvp(terrane_forward* handle, const float* model, const float* t_model, float* t_data);
/* d_model = (dF/dmodel)^T d_data, at `model`; the exact transpose of the line above. */
terrane_status terrane_forward_vjp(terrane_forward* handle, const float* model, const float* d_data, float* d_model);
/* misfit = 1/2 sum (F(model) - observed)^2 and d_model = its gradient. data receives F(model); it may be NULL. */
terrane_status terrane_forward_misfit(terrane_forward* handle, const float* model, const float* observed,
                                      double* misfit, float* d_model, float* data);

/* ---- a whole run: what `terrane run CONFIG.json` does ------------------------------------------------------------ */

/* Called after every iteration, and when something else begins, with one JSON object:
 *   {"iteration": 12, "iterations": 300, "stage": 0, "stages": 2, "misfit": 0.81, "elapsed_s": 1.2, "peak_bytes": 1e8}
 *   {"message": "writing the results", "elapsed_s": 30.1}
 * A value other than 0 stops the run after the current iteration: the state is saved and terrane_run returns
 * TERRANE_STOPPED. */
typedef int (*terrane_progress_callback)(const char* json, void* user);

typedef struct terrane_run_options {
  size_t size;
  const char* out_dir; /* required: the output directory */
  int overwrite;       /* replace a run that is there already */
  int resume;          /* continue from the newest checkpoint in out_dir */
  const char* device;
  int threads;
  int log_level;
  terrane_log_callback log;
  void* log_user;
  terrane_progress_callback progress;
  void* progress_user;
} terrane_run_options;

/* *result_json receives the text of result.json, to be freed with terrane_free; result_json may be NULL. */
terrane_status terrane_run(const char* config_path, const terrane_run_options* options, char** result_json);
void terrane_free(char* text);

#ifdef __cplusplus
}
#endif
#endif
