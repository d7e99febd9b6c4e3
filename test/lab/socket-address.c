/* SPDX-License-Identifier: Apache-2.0 */
#include "socket-address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

struct socket_address parse_address(const char *host, const char *port)
{
	struct socket_address address = { 0 };
	struct sockaddr_in *ipv4 = (void *)&address.storage;
	struct sockaddr_in6 *ipv6 = (void *)&address.storage;

	if (inet_pton(AF_INET, host, &ipv4->sin_addr) == 1) {
		ipv4->sin_family = AF_INET;
		ipv4->sin_port = htons(atoi(port));
		address.length = sizeof(*ipv4);
	} else if (inet_pton(AF_INET6, host, &ipv6->sin6_addr) == 1) {
		ipv6->sin6_family = AF_INET6;
		ipv6->sin6_port = htons(atoi(port));
		address.length = sizeof(*ipv6);
	} else {
		fprintf(stderr, "%s is no IPv4 or IPv6 address\n", host);
		exit(2);
	}
	return address;
}

void describe_address(const struct sockaddr_storage *address, char *text, size_t size)
{
	char host[INET6_ADDRSTRLEN] = "";
	unsigned int port = 0;

	if (address->ss_family == AF_INET) {
		const struct sockaddr_in *ipv4 = (const void *)address;

		inet_ntop(AF_INET, &ipv4->sin_addr, host, sizeof(host));
		port = ntohs(ipv4->sin_port);
	} else if (address->ss_family == AF_INET6) {
		const struct sockaddr_in6 *ipv6 = (const void *)address;

		inet_ntop(AF_INET6, &ipv6->sin6_addr, host, sizeof(host));
		port = ntohs(ipv6->sin6_port);
	}
	snprintf(text, size, "{\"address\":\"%s\",\"port\":%u}", host, port);
}

void describe_local(int socket, char *text, size_t size)
{
	struct sockaddr_storage address = { 0 };
	socklen_t length = sizeof(address);

	getsockname(socket, (struct sockaddr *)&address, &length);
	describe_address(&address, text, size);
}
