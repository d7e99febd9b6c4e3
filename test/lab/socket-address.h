/* SPDX-License-Identifier: Apache-2.0 */
/* IPv4 and IPv6 socket addresses from and to text. */
#ifndef LAB_SOCKET_ADDRESS_H
#define LAB_SOCKET_ADDRESS_H

#include <stddef.h>
#include <sys/socket.h>

struct socket_address {
	struct sockaddr_storage storage;
	socklen_t length;
};

/* Enough for what describe_address() writes. */
#define ADDRESS_TEXT_SIZE 128

/* Ends the process with status 2 if `host` is no address. */
struct socket_address parse_address(const char *host, const char *port);

/* {"address":"192.0.2.1","port":53}; all zeros for a family that it does not know. */
void describe_address(const struct sockaddr_storage *address, char *text, size_t size);

/* What a socket is bound to. */
void describe_local(int socket, char *text, size_t size);

#endif
