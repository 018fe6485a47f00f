/* Counts how often each instruction of a program is executed: a plugin of QEMU, which `firmware-sim board` compiles.
 *
 * It knows nothing of any core. A count is kept for each two bytes of code: how often the instruction there was executed,
 * how often control went on elsewhere than behind it, and how many of its reads were from flash. The program reads its
 * clock before and after what it measures; each such read ends a piece of the run, and a file says what each piece belongs
 * to. Of each of these the counts are summed up, and of each instruction in it the largest count of any image is kept.
 *
 * QEMU's plugin interface, version 1, docs/devel/tcg-plugins.rst. No package holds its header, so what is used of it is
 * declared here, after include/qemu/qemu-plugin.h of QEMU 7.2.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t plugin_id;
typedef uint32_t mem_info;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum flags { NO_REGISTERS };
/* QEMU 7.2 takes all accesses for writes where it chooses by this, so that only both will do. */
enum access { ALL_ACCESSES = 3 };
enum operation { ADD_U64 };

extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned, void *), enum flags, void *);
extern void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, void (*)(unsigned, void *), enum flags, void *);
extern void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *, enum operation, void *, uint64_t);
extern bool qemu_plugin_mem_is_store(mem_info);
extern void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *, void (*)(unsigned, mem_info, uint64_t, void *),
                                             enum flags, enum access, void *);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
extern size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);
extern uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

/* What is counted of the instruction at two bytes of code. */
struct count {
    uint64_t executed, taken, reads;
};

/* What pieces of the run belong to: a layer, or nothing; LAST says that an image ends with it. */
enum { NOTHING = 0x7f, LAST = 0x80, PARTS = 0x80 };

static uint64_t code, slots, flash, flash_end, clock_address;
static bool clock_is_register;
static const char *out_path;
static unsigned char *pieces;
static size_t piece_count, piece;
/* Now, and at the last read of the clock. */
static struct count *now, *before;
/* Of each part: the sums, how often instructions were executed for the image so far, and the largest of these. */
static struct part {
    struct count *sums;
    uint64_t *image, *most;
} parts[PARTS];
/* The block that was executed last: its last instruction, and where it ends. */
static struct count *last;
static uint64_t last_end;

struct block {
    struct count *last;
    uint64_t start, end;
};

static void *zeros(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (!memory) {
        fputs("count: no memory\n", stderr);
        exit(1);
    }
    return memory;
}

static void add(struct count *to, const struct count *more) {
    to->executed += more->executed;
    to->taken += more->taken;
    to->reads += more->reads;
}

static void end_piece(void) {
    unsigned kind = piece < piece_count ? pieces[piece++] : NOTHING;
    struct part *part = (kind & NOTHING) == NOTHING ? NULL : &parts[kind & NOTHING];
    if (part && !part->sums) {
        part->sums = zeros(slots, sizeof *part->sums);
        part->image = zeros(slots, sizeof *part->image);
        part->most = zeros(slots, sizeof *part->most);
    }
    for (uint64_t slot = 0; part && slot < slots; slot++) {
        const struct count *to = &now[slot], *from = &before[slot];
        struct count more = {to->executed - from->executed, to->taken - from->taken, to->reads - from->reads};
        add(&part->sums[slot], &more);
        part->image[slot] += more.executed;
    }
    memcpy(before, now, slots * sizeof *now);
    if (!(kind & LAST)) return;
    for (part = parts; part < parts + PARTS; part++) {
        for (uint64_t slot = 0; part->sums && slot < slots; slot++) {
            if (part->image[slot] > part->most[slot]) part->most[slot] = part->image[slot];
            part->image[slot] = 0;
        }
    }
}

static void on_block(unsigned cpu, void *data) {
    (void)cpu;
    const struct block *block = data;
    if (last && block->start != last_end) last->taken++;
    last = block->last;
    last_end = block->end;
}

static void on_access(unsigned cpu, mem_info info, uint64_t address, void *data) {
    (void)cpu;
    struct count *count = data;
    if (qemu_plugin_mem_is_store(info)) return;
    if (address >= flash && address < flash_end) count->reads++;
    if (!clock_is_register && address == clock_address) {
        /* QEMU executes a read of a device as a block of its own */
        last = NULL;
        end_piece();
    }
}

static void on_clock(unsigned cpu, void *data) {
    (void)cpu, (void)data;
    end_piece();
}

static bool reads_clock(const struct qemu_plugin_insn *instruction) {
    uint32_t word;
    if (!clock_is_register || qemu_plugin_insn_size(instruction) != sizeof word) return false;
    memcpy(&word, qemu_plugin_insn_data(instruction), sizeof word);
    /* CSRRS of minstret */
    return (word & 0xfff0007f) == 0xb0200073;
}

static void on_translation(plugin_id id, struct qemu_plugin_tb *translated) {
    (void)id;
    size_t count = qemu_plugin_tb_n_insns(translated);
    struct block *block = zeros(1, sizeof *block);
    for (size_t i = 0; i < count; i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(translated, i);
        uint64_t address = qemu_plugin_insn_vaddr(instruction);
        if (address < code || (address - code) / 2 >= slots) continue;
        struct count *here = &now[(address - code) / 2];
        if (!block->last) block->start = address;
        block->last = here;
        block->end = address + qemu_plugin_insn_size(instruction);
        qemu_plugin_register_vcpu_insn_exec_inline(instruction, ADD_U64, &here->executed, 1);
        qemu_plugin_register_vcpu_mem_cb(instruction, on_access, NO_REGISTERS, ALL_ACCESSES, here);
        if (reads_clock(instruction)) qemu_plugin_register_vcpu_insn_exec_cb(instruction, on_clock, NO_REGISTERS, NULL);
    }
    if (block->last) {
        qemu_plugin_register_vcpu_tb_exec_cb(translated, on_block, NO_REGISTERS, block);
    } else {
        free(block);
    }
}

/* Lines of `part address executed taken reads most`. */
static void write_counts(void) {
    FILE *out = fopen(out_path, "w");
    if (!out) {
        perror(out_path);
        return;
    }
    for (unsigned number = 0; number < PARTS; number++) {
        const struct part *part = &parts[number];
        for (uint64_t slot = 0; part->sums && slot < slots; slot++) {
            const struct count *it = &part->sums[slot];
            unsigned long long numbers[] = {code + 2 * slot, it->executed, it->taken, it->reads, part->most[slot]};
            if (!it->executed) continue;
            fprintf(out, "%u %llu %llu %llu %llu %llu\n", number, numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]);
        }
    }
    fprintf(out, "end\n");
    fclose(out);
}

static void read_pieces(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        exit(1);
    }
    long size = ftell(file);
    rewind(file);
    pieces = zeros((size_t)size + 1, 1);
    piece_count = fread(pieces, 1, (size_t)size, file);
    fclose(file);
}

/* Arguments: code=FIRST,end=END,flash=FIRST,flash_end=END,clock=ADDRESS or clock=register,pieces=FILE,out=FILE */
__attribute__((visibility("default"))) int qemu_plugin_install(plugin_id id, const void *info, int count, char **arguments) {
    (void)info;
    uint64_t end = 0;
    for (int i = 0; i < count; i++) {
        const char *value = strchr(arguments[i], '=');
        if (!value++) return 1;
        size_t name = (size_t)(value - arguments[i]) - 1;
        uint64_t number = strtoull(value, NULL, 0);
#define IS(NAME) (name == strlen(NAME) && strncmp(arguments[i], NAME, name) == 0)
        if (IS("code")) code = number;
        else if (IS("end")) end = number;
        else if (IS("flash")) flash = number;
        else if (IS("flash_end")) flash_end = number;
        else if (IS("clock")) clock_address = number, clock_is_register = strcmp(value, "register") == 0;
        else if (IS("pieces")) read_pieces(value);
        else if (IS("out")) out_path = strdup(value);
        else return 1;
    }
    if (end <= code || !out_path) return 1;
    slots = (end - code + 1) / 2;
    now = zeros(slots, sizeof *now);
    before = zeros(slots, sizeof *before);
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    return atexit(write_counts);
}
