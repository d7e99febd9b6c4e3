/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the lab's DNS server answers a name: the name itself says so. Its labels are read from the left up to the first one that means
 * nothing; "d100.servfail.a.test" is answered by SERVFAIL after 100 ms. What no label speaks of is answered at once.
 *
 *   dN             after N ms
 *   firstN         the first query of this name and type after N ms, the others at once
 *   silent         never
 *   tcponly        over TCP only; UDP never
 *   tc             over UDP by a truncated answer without records
 *   servfail nxdomain refused
 *   cnameN         by a chain of N CNAMEs in front of the address
 *   elsewhere      from the server's other address (UDP)
 *   otherquestion  with a question that was not asked
 *   noquestion     without a question
 *   twice          twice
 *   split          over TCP in three segments, the first of them one byte long
 */
#ifndef LAB_DNS_BEHAVIOUR_H
#define LAB_DNS_BEHAVIOUR_H

#include "dns-message.h"

struct dns_behaviour {
	uint32_t delay_ms;
	uint32_t first_delay_ms; /* 0 = like the others */
	uint32_t cnames;
	uint8_t rcode;
	bool silent, tcp_only, truncated, elsewhere, other_question, no_question, twice, split;
};

struct dns_behaviour dns_behaviour_of(const struct dns_question *question);

/* Returns the answer's length; `message` holds DNS_ANSWER_MAX bytes. */
size_t dns_write_answer(uint8_t *message, uint16_t id, const struct dns_question *question, const struct dns_behaviour *behaviour,
			bool tcp);

#endif
