#include "cli.h"

int main(int argc, char **argv) { return ms_cli_main(&ms_commands, argc, argv); }
