/* Names of hosts are looked up in /etc/hosts and by DNS, whatever /etc/nsswitch.conf says.
 *
 * The programs are linked statically, and files and dns are in the C library itself. Any other module would be loaded from
 * where the program runs, together with the C library there: if that is of another version, the process dies of SIGFPE. */
#include <nss.h>

__attribute__((constructor)) static void look_up_in_files_and_dns(void) {
    __nss_configure_lookup("hosts", "files dns");
}
