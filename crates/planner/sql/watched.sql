-- The clusters of a region together, by title and rung.
SELECT c.region AS region, l.asset AS asset, l.variant AS variant, SUM(l.rate) AS rate, SUM(l.head) AS head
FROM local l
JOIN cluster c ON c.cluster = l.cluster
GROUP BY c.region, l.asset, l.variant
