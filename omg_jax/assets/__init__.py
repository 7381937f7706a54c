"""Files that the package needs: downloadable ones (see registry.py) and the small ones that lie beside this module."""

from omg_jax.assets.registry import ASSETS, Asset, AssetError, asset_path, cached_path, list_assets

__all__ = ["ASSETS", "Asset", "AssetError", "asset_path", "cached_path", "list_assets"]
