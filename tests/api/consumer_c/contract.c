/* SPDX-License-Identifier: MIT */
/* The contract of the C interface, checked from C against an installation: own arrays in, data and gradient out; the
 * gradient against a difference quotient; transposes; two handles in two threads; errors as status codes. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <terrane.h>

enum { nz = 40, nx = 50, shots = 2, receivers = 25, samples = 250 };
enum { cells = nz * nx, values = shots * receivers * samples };

static int failures = 0;
#define CHECK(condition)                                                                             \
  do {                                                                                               \
    if (!(condition)) {                                                                              \
      fprintf(stderr, "line %d: %s (last error: %s)\n", __LINE__, #condition, terrane_last_error()); \
      ++failures;                                                                                    \
    }                                                                                                \
  } while (0)

static void write_config(char* text, size_t size, const char* precision) {
  snprintf(text, size,
           "{\"task\": \"forward\", \"precision\": {\"physics\": \"%s\"},"
           " \"grid\": {\"nz\": %d, \"nx\": %d, \"dz_m\": 10, \"dx_m\": 10},"
           " \"physics\": {\"type\": \"acoustic\", \"order\": 4, \"vmax_mps\": 2600,"
           "   \"boundary\": {\"type\": \"cpml\", \"width_cells\": 10}},"
           " \"survey\": {\"dt_s\": 0.001, \"nt\": %d, \"wavelet\": {\"type\": \"ricker\", \"frequency_hz\": 15},"
           "   \"sources\": {\"type\": \"line\", \"x_m\": [100, 403], \"z_m\": 20, \"count\": %d},"
           "   \"receivers\": {\"type\": \"line\", \"x_m\": [5, 485], \"z_m\": 22, \"count\": %d}},"
           " \"model\": {\"type\": \"constant\", \"value_mps\": 2000}}",
           precision, nz, nx, samples, shots, receivers);
}

static void two_layers(float* vp, float below) {
  for (int i = 0; i < cells; ++i) vp[i] = i / nx < nz / 2 ? 2000.0f : below;
}

static double dot(const float* a, const float* b, int n) {
  double sum = 0;
  for (int i = 0; i < n; ++i) sum += (double)a[i] * (double)b[i];
  return sum;
}

static float noise(unsigned* state) { /* in (-1, 1), reproducible */
  *state = *state * 1664525u + 1013904223u;
  return (float)((double)(*state >> 8) / 8388608.0 - 1.0);
}

/* What one thread does with its own handle. */
typedef struct job {
  float below;
  float data[values], gradient[cells];
  double misfit;
  int status;
} job;

static void* work(void* argument) {
  job* j = argument;
  char config[2000];
  terrane_forward* handle = NULL;
  terrane_forward_options options;
  float *vp = malloc(cells * sizeof *vp), *observed = malloc(values * sizeof *observed);
  memset(&options, 0, sizeof options);
  options.size = sizeof options;
  options.device = "cpu";
  options.threads = 1;
  write_config(config, sizeof config, "fp32");
  j->status = terrane_forward_parse(config, &options, &handle);
  for (int repeat = 0; repeat < 3 && j->status == 0; ++repeat) {
    two_layers(vp, j->below);
    j->status = terrane_forward_apply(handle, vp, observed);
    two_layers(vp, 2000.0f);
    if (j->status == 0) j->status = terrane_forward_misfit(handle, vp, observed, &j->misfit, j->gradient, j->data);
  }
  terrane_forward_close(handle);
  free(vp), free(observed);
  return NULL;
}

static void check_threads(void) {
  static job alone[2], together[2];
  pthread_t threads[2];
  for (int i = 0; i < 2; ++i) {
    alone[i].below = together[i].below = i == 0 ? 2400.0f : 2200.0f;
    work(&alone[i]);
    CHECK(alone[i].status == TERRANE_OK);
    CHECK(alone[i].misfit > 0);
  }
  for (int i = 0; i < 2; ++i) pthread_create(&threads[i], NULL, work, &together[i]);
  for (int i = 0; i < 2; ++i) pthread_join(threads[i], NULL);
  for (int i = 0; i < 2; ++i) {
    CHECK(together[i].status == TERRANE_OK);
    CHECK(memcmp(alone[i].data, together[i].data, sizeof alone[i].data) == 0);
    CHECK(memcmp(alone[i].gradient, together[i].gradient, sizeof alone[i].gradient) == 0);
  }
  CHECK(alone[0].misfit != alone[1].misfit);
}

static void check_derivatives(void) {
  static float vp[cells], direction[cells], gradient[cells], observed[values], t_data[values], w[values],
      d_model[cells];
  char config[2000];
  terrane_forward* handle = NULL;
  unsigned state = 7;
  double up = 0, down = 0, middle = 0;
  write_config(config, sizeof config, "fp64");
  CHECK(terrane_forward_parse(config, NULL, &handle) == TERRANE_OK);
  two_layers(vp, 2400.0f);
  CHECK(terrane_forward_apply(handle, vp, observed) == TERRANE_OK);
  CHECK(dot(observed, observed, values) > 0);
  two_layers(vp, 2000.0f);
  CHECK(terrane_forward_misfit(handle, vp, observed, &middle, gradient, NULL) == TERRANE_OK);

  /* Central difference along a smooth bump; float models limit the step. */
  for (int i = 0; i < cells; ++i) {
    const double z = (i / nx - 22) / 6.0, x = (i % nx - 25) / 6.0;
    direction[i] = (float)exp(-z * z - x * x);
  }
  for (int i = 0; i < cells; ++i) vp[i] += 2.0f * direction[i];
  CHECK(terrane_forward_misfit(handle, vp, observed, &up, d_model, NULL) == TERRANE_OK);
  for (int i = 0; i < cells; ++i) vp[i] -= 4.0f * direction[i];
  CHECK(terrane_forward_misfit(handle, vp, observed, &down, d_model, NULL) == TERRANE_OK);
  two_layers(vp, 2000.0f);
  const double slope = (up - down) / 4.0, predicted = dot(gradient, direction, cells);
  CHECK(fabs(slope) > 0);
  CHECK(fabs(slope - predicted) <= 1e-3 * fabs(slope));

  /* (J v) . w = v . (J^T w) up to the float arrays of the interface */
  for (int i = 0; i < values; ++i) w[i] = noise(&state);
  CHECK(terrane_forward_jvp(handle, vp, direction, t_data) == TERRANE_OK);
  CHECK(terrane_forward_vjp(handle, vp, w, d_model) == TERRANE_OK);
  const double left = dot(t_data, w, values), right = dot(direction, d_model, cells);
  CHECK(fabs(left - right) <= 1e-6 * sqrt(dot(t_data, t_data, values) * dot(w, w, values)));
  terrane_forward_close(handle);
}

static int log_lines = 0;
static void count_line(int level, const char* line, void* user) {
  (void)level;
  if (line != NULL && line[0] != '\0') ++*(int*)user;
}

static void check_errors(void) {
  static float vp[cells], data[values];
  char config[2000];
  terrane_forward* handle = (terrane_forward*)&log_lines;
  terrane_forward_options options;
  terrane_forward_info info;
  CHECK(terrane_forward_open("no-such-file.json", NULL, &handle) != TERRANE_OK);
  CHECK(handle == NULL);
  CHECK(strstr(terrane_last_error(), "no-such-file.json") != NULL);
  CHECK(terrane_forward_parse("{\"task\": \"forward\", \"grdi\": 1}", NULL, &handle) == TERRANE_CONFIG);
  CHECK(strstr(terrane_last_error(), "grdi") != NULL);
  CHECK(terrane_forward_parse(NULL, NULL, &handle) == TERRANE_FAILED);
  CHECK(terrane_forward_parse("{}", NULL, NULL) == TERRANE_FAILED);

  write_config(config, sizeof config, "fp32");
  memset(&options, 0, sizeof options); /* size left at 0 */
  CHECK(terrane_forward_parse(config, &options, &handle) == TERRANE_FAILED);
  options.size = sizeof options;
  options.device = "abacus";
  CHECK(terrane_forward_parse(config, &options, &handle) == TERRANE_CONFIG);
  CHECK(strstr(terrane_last_error(), "abacus") != NULL);
  options.device = "cpu";
  options.log_level = TERRANE_LOG_INFO;
  options.log = count_line;
  options.log_user = &log_lines;
  CHECK(terrane_forward_parse(config, &options, &handle) == TERRANE_OK);
  CHECK(log_lines > 0);

  memset(&info, 0, sizeof info);
  CHECK(terrane_forward_get_info(handle, &info) == TERRANE_FAILED);
  info.size = sizeof info;
  CHECK(terrane_forward_get_info(handle, &info) == TERRANE_OK);
  CHECK(info.nz == nz && info.nx == nx && info.shots == shots && info.receivers == receivers);
  CHECK(info.samples == samples && info.vmax_mps == 2600 && info.memory_bytes > 0);
  /* An older caller knows fewer members: nothing is written behind them. */
  memset(&info, 0xff, sizeof info);
  info.size = offsetof(terrane_forward_info, samples);
  CHECK(terrane_forward_get_info(handle, &info) == TERRANE_OK);
  CHECK(info.receivers == receivers && info.samples == -1);

  two_layers(vp, 9000.0f); /* above vmax */
  CHECK(terrane_forward_apply(handle, vp, data) == TERRANE_DIVERGED);
  vp[0] = NAN;
  CHECK(terrane_forward_apply(handle, vp, data) != TERRANE_OK);
  CHECK(terrane_forward_apply(handle, vp, NULL) == TERRANE_FAILED);
  CHECK(terrane_forward_apply(NULL, vp, data) == TERRANE_FAILED);
  two_layers(vp, 2400.0f); /* the handle still works */
  CHECK(terrane_forward_apply(handle, vp, data) == TERRANE_OK);
  terrane_forward_close(handle);
  terrane_forward_close(NULL);
}

int main(void) {
  CHECK(terrane_abi_version() == 1);
  CHECK(strlen(terrane_version()) >= 5);
  check_errors();
  check_derivatives();
  check_threads();
  if (failures == 0) printf("the C interface keeps its contract\n");
  return failures != 0;
}
