-- Of how many objects of each title and rung that is out each of the catalogue's folders is, those of the folders in it too.
SELECT a.path AS path, a.site AS site, c.asset AS asset, c.variant AS variant, SUM(c.objects) AS objects
FROM (
  SELECT o.site AS site, o.folder AS folder, o.asset AS asset, o.variant AS variant, COUNT(*) AS objects
  FROM object o
  WHERE o.released = 1
  GROUP BY o.site, o.folder, o.asset, o.variant
) c
JOIN (SELECT DISTINCT r.site AS site, r.folder AS folder, r.path AS path FROM around r) a ON a.site = c.site AND a.folder = c.folder
GROUP BY a.path, a.site, c.asset, c.variant
