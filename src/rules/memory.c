/* SPDX-License-Identifier: BSD-2-Clause */
#include "memory.h"

#include "base/memory.h"

const struct session_memory no_memory;

struct session_memory *memory_begin(struct smtpscope_judge *judge)
{
    struct session_memory *memory = judge->memory;

    if (memory)
        return memory;
    memory = judge->memory = memory_new(judge->config->allocator, sizeof *memory);
    if (memory) {
        memory->notes.slots = memory->notes.few;
        memory->notes.capacity = SLOTS_FEW;
    }
    return memory;
}

void exchange_forget(struct smtpscope_judge *judge)
{
    if (judge->memory)
        judge->memory->last = (struct exchange_findings){0};
}

void transaction_forget(struct smtpscope_judge *judge)
{
    judge->transaction = (struct transaction_facts){0};
    if (judge->memory)
        judge->memory->transaction = (struct transaction_findings){0};
}
