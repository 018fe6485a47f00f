/*
 * Runs model.c, or the library with library/model.h, on a board that QEMU emulates: reads the images that the emulator has
 * put into memory, and prints the outputs of each and the instructions that it took, by semihosting. No C library.
 *
 * Of the library first `parse`, the status and the instructions of that. A line for each image: `image N`, `outputs` and
 * the numbers, `instructions` and their count; at the end `stack` and the deepest stack of an inference, in bytes.
 */
#include <stddef.h>
#include <stdint.h>

#include "model.h"

int main(void);

/* Semihosting calls: https://github.com/ARM-software/abi-aa/blob/main/semihosting/semihosting.rst */
#define SYS_WRITE0 0x04u
#define SYS_EXIT 0x18u
#define STOPPED 0x20026u /* ADP_Stopped_ApplicationExit */

/* An instruction takes 64 ns of the board's time, by QEMU's `-icount shift=6`. */
#define INSTRUCTION_NS 64u

/* Of the linker's map. */
extern uint32_t stack_low[], stack_top[], images[];

#ifdef __riscv

static uint32_t call_host(uint32_t operation, const void *argument)
{
    register uint32_t a0 __asm__("a0") = operation;
    register const void *a1 __asm__("a1") = argument;

    /* the three instructions that mean a call; they may not lie on two pages */
    __asm__ volatile(".balign 16\n.option push\n.option norvc\nslli x0, x0, 0x1f\nebreak\nsrai x0, x0, 7\n.option pop"
                     : "+r"(a0)
                     : "r"(a1)
                     : "memory");
    return a0;
}

__asm__(".section .vectors, \"ax\"\n.global start\nstart:\n"
        "la sp, stack_top\ncall main\n1: j 1b\n");

static uintptr_t stack_pointer(void)
{
    uintptr_t pointer;

    __asm__ volatile("mv %0, sp" : "=r"(pointer));
    return pointer;
}

static void start_clock(void)
{
}

/* Ticks of a nanosecond: QEMU 7.2 counts these for instructions. */
#define TICK_NS 1u

static uint64_t clock(void)
{
    uint32_t low, high, again;

    do {
        __asm__ volatile("csrr %0, minstreth" : "=r"(high));
        __asm__ volatile("csrr %0, minstret" : "=r"(low));
        __asm__ volatile("csrr %0, minstreth" : "=r"(again));
    } while (high != again);
    return (uint64_t)high << 32 | low;
}

#else

static uint32_t call_host(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;

    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

/* Where the processor begins: the stack and the program. */
__asm__(".section .vectors, \"a\"\n.global start\nstart:\n.word stack_top\n.word main\n.rept 14\n.word fault\n.endr\n");

void fault(void);

void fault(void)
{
    call_host(SYS_WRITE0, "fault\n");
    call_host(SYS_EXIT, NULL);
    for (;;) {
    }
}

static uintptr_t stack_pointer(void)
{
    uintptr_t pointer;

    __asm__ volatile("mov %0, sp" : "=r"(pointer));
    return pointer;
}

/* The CMSDK APB timer 0 of the MPS2 boards counts down at 25 MHz: Arm DDI 0479C, section 4.3. */
#define TIMER ((volatile uint32_t *)0x40000000u)
#define TICK_NS 40u

static void start_clock(void)
{
    TIMER[2] = UINT32_MAX;
    TIMER[1] = UINT32_MAX;
    TIMER[0] = 1;
}

/* Ticks; the timer wraps after some three minutes, and 2.7 thousand million instructions. */
static uint64_t clock(void)
{
    return ~TIMER[1];
}

#endif

/* What the compiler may call for copies and for structs. */
void *memcpy(void *to, const void *from, size_t count);
void *memset(void *to, int byte, size_t count);

void *memcpy(void *to, const void *from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
    }
    return to;
}

void *memset(void *to, int byte, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ((uint8_t *)to)[i] = (uint8_t)byte;
    }
    return to;
}

static void print_number(int32_t number)
{
    char text[13];
    size_t from = sizeof text - 1;
    uint32_t left = number < 0 ? 0u - (uint32_t)number : (uint32_t)number;

    text[from] = 0;
    do {
        text[--from] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (number < 0) {
        text[--from] = '-';
    }
    text[--from] = ' ';
    call_host(SYS_WRITE0, text + from);
}

static struct model model;
static int32_t outputs[MODEL_OUTPUTS];

#define PAINT 0x57ac57acu

/* The lowest address that the stack has reached since it was painted. */
static uintptr_t deepest(void)
{
    const uint32_t *low = stack_low;

    while (*low == PAINT) {
        low++;
    }
    return (uintptr_t)low;
}

/* One inference, in a stack frame of its own. */
static __attribute__((noinline)) void infer(const uint8_t *image)
{
#ifdef HOLDS_OUTPUTS
    const int32_t *found = model_infer(&model, image);

    for (uint32_t i = 0; i < MODEL_OUTPUTS; i++) {
        outputs[i] = found[i];
    }
#else
    model_start(&model);
    for (uint32_t y = 0; y < MODEL_ROWS; y++) {
        model_push_row(&model, image + y * MODEL_ROW_BYTES);
    }
    (void)model_outputs(&model, 0, MODEL_OUTPUTS, outputs);
#endif
}

int main(void)
{
    const uint32_t count = images[0];
    const uint8_t *image = (const uint8_t *)&images[1];
    const uintptr_t here = stack_pointer();

    for (volatile uint32_t *paint = stack_low; (uintptr_t)paint < here; paint++) {
        *paint = PAINT;
    }
    start_clock();
#ifdef PARSES
    const uint64_t begun = clock();
    const int32_t status = model_parse(&model);
    const uint64_t parsed = clock() - begun;

    call_host(SYS_WRITE0, "parse");
    print_number(status);
    print_number((int32_t)(parsed * TICK_NS / INSTRUCTION_NS));
    call_host(SYS_WRITE0, "\n");
#endif
    for (uint32_t number = 0; number < count; number++) {
        const uint64_t before = clock();

        infer(image);

        const uint64_t ticks = clock() - before;

        call_host(SYS_WRITE0, "image");
        print_number((int32_t)number);
        call_host(SYS_WRITE0, "\noutputs");
        for (uint32_t i = 0; i < MODEL_OUTPUTS; i++) {
            print_number(outputs[i]);
        }
        call_host(SYS_WRITE0, "\ninstructions");
        print_number((int32_t)(ticks * TICK_NS / INSTRUCTION_NS));
        call_host(SYS_WRITE0, "\n");
        image += MODEL_ROWS * MODEL_ROW_BYTES;
    }
    call_host(SYS_WRITE0, "stack");
    print_number((int32_t)(here - deepest()));
    call_host(SYS_WRITE0, "\n");
    call_host(SYS_EXIT, (const void *)STOPPED);
    return 0;
}
