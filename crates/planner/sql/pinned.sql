-- How much is pinned to each box. The plan is refused if that is more than an eighth of what it
-- holds, which is what a box pins.
SELECT p.appliance AS appliance, SUM(p.size) AS bytes
FROM placed p
WHERE p.pinned = 1
GROUP BY p.appliance
