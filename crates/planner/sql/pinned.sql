-- How much is pinned to each box. The plan is refused if that is more than it holds.
SELECT p.appliance AS appliance, SUM(p.size) AS bytes
FROM placed p
WHERE p.pinned = 1
GROUP BY p.appliance
