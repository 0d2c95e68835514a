"""Makes countries.mmdb, a database of a few test networks in MaxMind's format.

    pip install mmdb_writer==0.2.7 netaddr==1.3.0
    python countries.py countries.mmdb
"""

import sys

from mmdb_writer import MMDBWriter
from netaddr import IPSet

writer = MMDBWriter(6, "GeoLite2-Country", languages=["en"], ipv4_compatible=True,
                    description="test networks")
for networks, country in [(["127.0.0.0/8", "::1/128"], "DE"), (["192.0.2.0/24"], "FR"),
                          (["2001:db8::/32"], "US")]:
    writer.insert_network(IPSet(networks), {"country": {"iso_code": country}})
# Networks of anonymisers, satellites and the like have no country of their own.
writer.insert_network(IPSet(["203.0.113.0/24"]), {"registered_country": {"iso_code": "US"}})
writer.to_db_file(sys.argv[1])
