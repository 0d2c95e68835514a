-- Bytes of all that a cluster's viewers watched any of.
SELECT s.cluster AS cluster, SUM(e.bytes) AS bytes
FROM seen s
JOIN cell e ON e.asset = s.asset AND e.variant = s.variant AND e.position = s.position
GROUP BY s.cluster
