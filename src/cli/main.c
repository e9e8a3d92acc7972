#include "cli.h"
#include "mem.h"

int main(int argc, char **argv) {
    ms_mem_return_large_blocks();
    return ms_cli_main(&ms_commands, argc, argv);
}
