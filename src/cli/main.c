#include <stdio.h>
int main(void) {
    puts("moescope " MS_VERSION);
    return 0;
}
