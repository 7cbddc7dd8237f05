/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <terrane.h>

int main(int count, char** arguments) {
  terrane_forward* forward = NULL; /* grid, physics and survey of a config */
  terrane_forward_info info = {.size = sizeof info};
  if (terrane_forward_open(count > 1 ? arguments[1] : "forward.json", NULL, &forward) ||
      terrane_forward_get_info(forward, &info)) {
    return fprintf(stderr, "%s\n", terrane_last_error()), 1;
  }
  const size_t cells = (size_t)(info.nz * info.nx), values = (size_t)(info.shots * info.receivers * info.samples);
  float *vp = calloc(cells, 4), *gradient = calloc(cells, 4), *observed = calloc(values, 4);
  double misfit = 0;
  for (size_t i = 0; i < cells; ++i) vp[i] = i < cells / 2 ? 2000 : 2400; /* two layers */
  int status = terrane_forward_apply(forward, vp, observed);
  for (size_t i = 0; i < cells; ++i) vp[i] = 2000; /* a start without the lower one */
  if (!status) status = terrane_forward_misfit(forward, vp, observed, &misfit, gradient, NULL);
  if (status) fprintf(stderr, "%s\n", terrane_last_error());
  printf("misfit %g, gradient in the middle %g\n", misfit, gradient[cells / 2 + (size_t)info.nx / 2]);
  terrane_forward_close(forward);
  free(vp), free(gradient), free(observed);
  return status || !(misfit > 0);
}
