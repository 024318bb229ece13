/* Says no in the way a command says no. */
#include <stdio.h>

int main(void)
{
    puts("{\"error\": \"the tank is empty\"}");
    return 0;
}
