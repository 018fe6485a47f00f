/*
 * Says which digit is on each picture: read_digit PICTURE...
 *
 * A line for each: the file, the digit, the confidence in percent, and whether to rely on it. Built as README.md says.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lenet_runtime.h"

int main(int count, char **arguments)
{
    struct lnr_model *model;
    int failures = 0;

    if (lnr_open_embedded(&model) != LNR_OK) {
        fprintf(stderr, "error: %s\n", lnr_last_error());
        return EXIT_FAILURE;
    }
    for (int i = 1; i < count; i++) {
        struct lnr_answer answer;

        if (lnr_read(model, arguments[i], &answer, NULL, 0) != LNR_OK) {
            fprintf(stderr, "error: %s\n", lnr_last_error());
            failures++;
        } else if (answer.verdict == LNR_NONE) {
            printf("%s  %s: %s\n", arguments[i], answer.verdict_name, answer.reason);
        } else {
            printf("%s  %s  %.1f %%  %s\n", arguments[i], answer.name, 100.0 * (double)answer.confidence,
                   answer.verdict_name);
        }
    }
    lnr_free(model);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
